"""Measurements of time and memory, and the name of the processor."""

import json
import math
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

# Flags of /proc/cpuinfo that convolutions depend on.
INSTRUCTIONS = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX512-VNNI",
    "avx512_bf16": "AVX512-BF16",
    "amx_bf16": "AMX-BF16",
}
# TensorFlow switches oneDNN on for a processor with one of these flags.
WITH_ONEDNN = {"avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile", "amx_int8", "amx_bf16"}
# Dtype policies, and whether XLA compiles.
COMPUTATIONS = {
    "float32": ("float32", False),
    "float32_xla": ("float32", True),
    "bfloat16": ("mixed_bfloat16", False),
    "bfloat16_xla": ("mixed_bfloat16", True),
}


def processor() -> str:
    """Describes the processor: its name, the cores of this process, its instructions, and whether oneDNN is on."""
    lines = (line.partition(":") for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines())
    fields = {name.strip(): value.strip() for name, _, value in lines}
    has = set(fields.get("flags", "").split())
    instructions = " ".join(label for name, label in INSTRUCTIONS.items() if name in has)
    switch = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "").lower()
    onednn = switch in ("1", "true") or (switch not in ("0", "false") and not has.isdisjoint(WITH_ONEDNN))
    name, cores = fields.get("model name", platform.machine()), len(os.sched_getaffinity(0))
    return f"{name}, {cores} cores, {instructions or 'no AVX'}, oneDNN {'on' if onednn else 'off'}"


def in_turns(functions: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Returns the median seconds of each function. They are called in turns: a busy moment slows down all of them."""
    seconds = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            tf.test.experimental.sync_devices()  # A GPU may still be computing.
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def by_computation(make: Callable[[str, bool], Callable[[], Any]], images: int, repeats: int) -> dict[str, float]:
    """Measures a function with float32 and bfloat16, without and with XLA, in turns.

    Args:
        make: function from a dtype policy, and whether XLA compiles, to the function to be measured.
        images: computed by a call.
        repeats: calls of each function after a first one, which is not measured.

    Returns:
        The images per second by the names of `COMPUTATIONS`, and their ratios to float32 without XLA.
    """
    functions = {name: make(*computation) for name, computation in COMPUTATIONS.items()}
    for function in functions.values():
        function()  # traced and compiled before the measurement
    rates = {name: images / seconds for name, seconds in in_turns(functions, repeats).items()}
    return rates | {f"{name}_ratio": rate / rates["float32"] for name, rate in rates.items() if name != "float32"}


def folder_bytes(path: str | os.PathLike) -> int:
    """Returns the size of all files below a folder, in bytes."""
    return sum(file.stat().st_size for file in pathlib.Path(path).rglob("*") if file.is_file())


def in_new_process(function: Callable[..., Any], *arguments: Any, **environment: str) -> Any:
    """Calls a function in a process of its own, whose peak memory is that of the function.

    Args:
        function: of a module; its result must be a JSON value.
        *arguments: of the function; their `repr` must be Python code.
        **environment: environment variables, in addition to those of this process.
    """
    module = function.__globals__["__spec__"].name
    call = f"module.{function.__name__}(*{arguments!r})"
    program = f"import json; import {module} as module; print(json.dumps({call}))"
    return json.loads(python(program, **environment).splitlines()[-1])


def python(program: str, **environment: str) -> str:
    """Runs a program in a new Python, and returns its standard output.

    Args:
        program: Python code.
        **environment: environment variables, in addition to those of this process.

    Raises:
        ChildProcessError: if the program fails, with the last line of its standard error.
    """
    command = [sys.executable, "-c", program]
    process = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    if process.returncode:
        raise ended("a measurement", process.returncode, process.stderr)
    return process.stdout


def ended(what: str, status: int, errors: str) -> ChildProcessError:
    """Returns the error of a process that has failed, an OSError, which commands print as one line.

    Args:
        what: the process, for the message.
        status: its exit status; -N if signal N ended it.
        errors: what it wrote to standard error. Its last line is shown: of a traceback, the exception.
    """
    lines = errors.strip().splitlines() or ["it wrote no error"]
    return ChildProcessError(f"{what} failed with status {status}: {lines[-1]}")


def parameters(model: keras.Model) -> int:
    """Returns the number of a model's parameters, trainable or frozen, without moving statistics."""
    return sum(math.prod(weight.shape) for weight in model.weights if "moving" not in weight.path)
