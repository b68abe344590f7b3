"""Seconds and memory, and of which processor: what the benchmarks share."""

import json
import math
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import time

import tensorflow as tf

# Of those that /proc/cpuinfo has, what a convolution depends on.
INSTRUCTIONS = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX512-VNNI",
    "avx512_bf16": "AVX512-BF16",
    "amx_bf16": "AMX-BF16",
}
WITH_ONEDNN = {"avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile", "amx_int8", "amx_bf16"}  # TensorFlow's own choice
COMPUTATIONS = {
    "float32": ("float32", False),
    "float32_xla": ("float32", True),
    "bfloat16": ("mixed_bfloat16", False),
    "bfloat16_xla": ("mixed_bfloat16", True),
}


def processor():
    """Returns the processor in words: its name, the cores of this process, its instructions, whether oneDNN is on."""
    lines = (line.partition(":") for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines())
    fields = {name.strip(): value.strip() for name, _, value in lines}
    has = set(fields.get("flags", "").split())
    instructions = " ".join(label for name, label in INSTRUCTIONS.items() if name in has)
    switch = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "").lower()
    onednn = switch in ("1", "true") or (switch not in ("0", "false") and not has.isdisjoint(WITH_ONEDNN))
    name, cores = fields.get("model name", platform.machine()), len(os.sched_getaffinity(0))
    return f"{name}, {cores} cores, {instructions or 'no AVX'}, oneDNN {'on' if onednn else 'off'}"


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


def by_computation(make, images, repeats):
    """Measures a function with float32 and bfloat16, without and with XLA, in turns.

    Args:
        make: function of a dtype policy and of whether XLA compiles, which returns the function, without arguments.
        images: that a call computes.
        repeats: times that each is called, after a first one.

    Returns:
        A dict of the images per second of each, by the names of `COMPUTATIONS`, and of their ratios to plain float32.
    """
    functions = {name: make(*computation) for name, computation in COMPUTATIONS.items()}
    for function in functions.values():
        function()  # Traced and compiled before the clock starts.
    rates = {name: images / seconds for name, seconds in in_turns(functions, repeats).items()}
    return rates | {f"{name}_ratio": rate / rates["float32"] for name, rate in rates.items() if name != "float32"}


def peak_gib():
    """Returns the largest memory that this process has had, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def folder_bytes(path):
    """Returns the size of all files below a folder, in bytes."""
    return sum(file.stat().st_size for file in pathlib.Path(path).rglob("*") if file.is_file())


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
