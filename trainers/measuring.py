"""Seconds and memory: what the benchmarks share."""

import json
import resource
import statistics
import subprocess
import sys
import time


def in_turns(functions, repeats):
    """Returns the median seconds of each function, called in turns so that a busy moment hits all of them."""
    seconds = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def peak_gib():
    """Returns the largest memory that this process has had, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def in_new_process(function, *arguments):
    """Returns the figures of a function of a module, alone in a process, so that the peak of memory is its own."""
    module = function.__globals__["__spec__"].name
    call = f"module.{function.__name__}(*{arguments!r})"
    return json.loads(python(f"import json; import {module} as module; print(json.dumps({call}))").splitlines()[-1])


def python(program):
    """Returns what a program prints in a new Python."""
    return subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True).stdout
