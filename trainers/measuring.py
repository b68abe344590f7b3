"""Seconds and memory: what the benchmarks share."""

import json
import math
import os
import resource
import statistics
import subprocess
import sys
import time

import tensorflow as tf


def in_turns(functions, repeats):
    """Returns the median seconds of each function, called in turns so that a busy moment hits all of them."""
    seconds = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            tf.test.experimental.sync_devices()  # A GPU may still be at work.
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def peak_gib():
    """Returns the largest memory that this process has had, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def in_new_process(function, *arguments, **environment):
    """Returns the figures of a function of a module, alone in a process, so that the peak of memory is its own.

    Args:
        function: returns what can be written as JSON.
        *arguments: of the function, as Python writes them.
        **environment: environment variables of the process, beside those of this one.
    """
    module = function.__globals__["__spec__"].name
    call = f"module.{function.__name__}(*{arguments!r})"
    program = f"import json; import {module} as module; print(json.dumps({call}))"
    return json.loads(python(program, **environment).splitlines()[-1])


def python(program, **environment):
    """Returns what a program prints in a new Python, with these environment variables beside those of this one."""
    command = [sys.executable, "-c", program]
    process = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    if process.returncode:
        raise RuntimeError(f"a measurement failed:\n{process.stderr}")
    return process.stdout


def parameters(model):
    """Returns the number of a model's weights, without moving statistics."""
    return sum(math.prod(weight.shape) for weight in model.weights if "moving" not in weight.path)
