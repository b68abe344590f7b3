"""What is measured, in which order, and on which processor."""

import os
import subprocess
import sys

import pytest

from trainers.runtime.measuring import by_computation, in_new_process, in_turns, processor


def test_functions_are_called_in_turns():
    calls = []
    seconds = in_turns({"one": lambda: calls.append("one"), "two": lambda: calls.append("two")}, 3)
    assert calls == ["one", "two"] * 3 and list(seconds) == ["one", "two"]


def test_a_function_is_measured_by_each_computation():
    made, calls = [], []

    def make(precision, jit_compile):
        made.append((precision, jit_compile))
        return lambda: calls.append((precision, jit_compile))

    rates = by_computation(make, 8, 2)
    bfloat16 = ("mixed_bfloat16", False), ("mixed_bfloat16", True)
    assert made == [("float32", False), ("float32", True), *bfloat16] and calls == made * 3
    assert rates["bfloat16_xla_ratio"] == rates["bfloat16_xla"] / rates["float32"]


@pytest.mark.slow
def test_a_measurement_has_a_process_and_environment_of_its_own():
    name, _, _ = processor().rpartition(", ")
    assert in_new_process(processor, TF_ENABLE_ONEDNN_OPTS="0") == f"{name}, oneDNN off"


@pytest.mark.slow
@pytest.mark.parametrize("switch", [None, "0", "1"])
def test_the_processor_is_named_with_what_tensorflow_logs_about_it(switch):
    environment = {name: value for name, value in os.environ.items() if name != "TF_ENABLE_ONEDNN_OPTS"}
    if switch is not None:
        environment["TF_ENABLE_ONEDNN_OPTS"] = switch
    program = "import tensorflow; from trainers.runtime.measuring import processor; print(processor())"
    command = [sys.executable, "-c", program]
    process = subprocess.run(command, capture_output=True, text=True, env={**environment, "TF_CPP_MIN_LOG_LEVEL": "0"})
    is_on = "oneDNN custom operations are on" in process.stderr
    assert process.stdout.endswith("oneDNN on\n" if is_on else "oneDNN off\n"), process.stderr
    assert f"{len(os.sched_getaffinity(0))} cores" in process.stdout
