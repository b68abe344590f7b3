"""Contenders are measured in turns, each in a process of its own."""

import sys

import pytest

from keras_resnets.errors import ArgumentError
from trainers.benchmarks.settings import Settings
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
            sleeping(OURS, 0.02, units=2),
            sleeping("twice as slow", 0.04, units=2),
            sleeping("twice as much", 0.02, units=4),
            sleeping(OURS, 0.01, work="nap", units=1),
        ],
        repeats=3,
    )
    assert list(figures) == [f"sleep {OURS}", "sleep twice as slow", "sleep twice as much", f"nap {OURS}"]
    assert figures[f"sleep {OURS}"]["ours_times_as_fast"] == figures[f"nap {OURS}"]["ours_times_as_fast"] == 1
    assert figures["sleep twice as slow"]["ours_times_as_fast"] == pytest.approx(2, rel=0.4)
    assert figures["sleep twice as much"]["ours_times_as_fast"] == pytest.approx(0.5, rel=0.4)
    for row in figures.values():
        assert 0 < row["low"] <= row["images_per_second"] <= row["high"] <= 200
        assert 0 < row["peak_gib"] < 0.1 and row["steps"] in (1, 2, 3) and row["first_step_seconds"] >= 0.01


def test_nets_of_different_sizes_are_not_compared():
    with pytest.raises(RuntimeError, match="peer does not do the same work: sleep has 8 parameters there, and 7 here"):
        compare([sleeping(OURS, 0, units=1, parameters=7), sleeping("peer", 0, units=1, parameters=8)], repeats=1)


def test_what_a_failing_process_says_is_shown():
    failing = Contender("work", None, OURS, (sys.executable, "-c", "raise ValueError('no net')"))
    with pytest.raises(RuntimeError, match="ValueError: no net"):
        compare([failing], repeats=1)


def test_why_a_peer_is_left_out_names_the_module_and_the_remedy():
    assert lacks(sys.executable, "json") is None
    assert "has no no_such_module: pass --peer_python=" in lacks(sys.executable, "json", "no_such_module")


def test_a_python_that_does_not_exist_is_refused():
    with pytest.raises(ArgumentError, match="--peer_python=/no/python must be a Python: there is no such program"):
        lacks("/no/python", "json")


def test_only_chooses_in_the_order_of_the_benchmark():
    assert Settings().chosen(["a", "b"]) == ["a", "b"]
    assert Settings(only=("c", "a")).chosen(["a", "b", "c"]) == ["a", "c"]
    with pytest.raises(ArgumentError, match="--only=d must have one of a, b"):
        Settings(only=("d",)).chosen(["a", "b"])
