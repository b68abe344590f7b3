"""Contenders are measured in turns, each in a process of its own."""

import sys

import pytest

from keras_resnets.errors import ArgumentError
from trainers.benchmarks.turns import OURS, Contender, compare, lacks


def sleeping(name, seconds, work="sleep", **facts):
    """Returns a contender whose steps take some time."""
    program = (
        "import time; from trainers.benchmarks.peers.step_server import serve; "
        f"serve(lambda: time.sleep({seconds}), **{facts})"
    )
    return Contender(work, None, name, (sys.executable, "-c", program))


def test_a_peer_is_compared_with_ours_of_the_same_work():
    figures = compare(
        [
            sleeping(OURS, 0.1, units=2),
            sleeping("twice as slow", 0.2, units=2),
            sleeping("twice as much", 0.1, units=4),
            sleeping(OURS, 0.1, work="nap", units=1),
        ],
        repeats=2,
    )
    assert list(figures) == [f"sleep {OURS}", "sleep twice as slow", "sleep twice as much", f"nap {OURS}"]
    assert figures[f"sleep {OURS}"]["ours_times_as_fast"] == figures[f"nap {OURS}"]["ours_times_as_fast"] == 1
    assert figures["sleep twice as slow"]["ours_times_as_fast"] == pytest.approx(2, rel=0.4)
    assert figures["sleep twice as much"]["ours_times_as_fast"] == pytest.approx(0.5, rel=0.4)
    for row in figures.values():
        assert 0 < row["low"] <= row["images_per_second"] <= row["high"] <= 40
        assert 0 < row["peak_gib"] < 0.1 and row["steps"] in (1, 2) and row["first_step_seconds"] >= 0.1


def test_nets_of_different_sizes_are_not_compared():
    with pytest.raises(ArgumentError, match="peer does not do the same work: sleep has 8 parameters there, and 7 here"):
        compare([sleeping(OURS, 0, units=1, parameters=7), sleeping("peer", 0, units=1, parameters=8)], repeats=1)


DIES_BETWEEN_STEPS = """
import json, sys
print(json.dumps({"units": 1}), flush=True)
sys.stdin.close()
raise ValueError("no net")
"""


@pytest.mark.parametrize("program", ["raise ValueError('no net')", DIES_BETWEEN_STEPS])
def test_the_error_of_a_failing_process_is_one_line(program):
    failing = Contender("work", None, "peer", (sys.executable, "-c", program))
    with pytest.raises(ChildProcessError, match="^work peer failed with status 1: ValueError: no net$"):
        compare([failing, sleeping(OURS, 0.1, work="work", units=1)], repeats=1)


def test_why_a_peer_is_left_out_names_the_module_and_the_remedy():
    assert lacks(sys.executable, "json") is None
    assert "has no no_such_module: pass --peer_python=" in lacks(sys.executable, "json", "no_such_module")


def test_a_python_that_does_not_exist_is_refused():
    with pytest.raises(ArgumentError, match="--peer_python=/no/python must be a Python: there is no such program"):
        lacks("/no/python", "json")
