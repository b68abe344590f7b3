"""Measurements in turns, of processes that wait for each other.

Each contender has a process of its own, so that its peak memory can be measured, and so that PyTorch and TensorFlow are
not in the same one. All processes are started one after the other; then each makes a step in turn.

A busy machine slows down some contenders more than others: PyTorch's threads wait for each other after each operation,
and become ten times as slow where another process takes one of two cores. Steps during which other processes took more
than 10 % of the cores are left out, if at least a third of all is left.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_resnets.errors import ArgumentError

OURS, CEILING = "keras_resnets", "matrix product"
MATRIX = 4096  # rows and columns
MOST_BY_OTHERS = 0.1  # share of the cores that other processes take in an undisturbed step
LEAST_UNDISTURBED = 1 / 3  # share of the steps
# Columns of /proc/stat, in ticks: time in which a core computes, or another virtual machine has it.
BUSY = {"user": 1, "nice": 2, "system": 3, "irq": 6, "softirq": 7, "steal": 8}
PEERS = pathlib.Path(__file__).with_name("peers")


@dataclasses.dataclass(frozen=True)
class Contender:
    """A process of `trainers.benchmarks.peers.step_server.serve`.

    Attributes:
        name: `OURS`, or that of a peer. Ours is compared with the peers of the same precision.
        precision: "float32" or "bfloat16".
        command: of the process.
    """

    name: str
    precision: str
    command: Sequence[str]


def ours(name: str, precision: str, function: Callable[..., tuple[Callable[[], Any], Mapping]], *arguments: Any):
    """Returns a contender with TensorFlow, which runs in this Python.

    Args:
        name, precision: see `Contender`.
        function: of a module; from the arguments to a step and its facts, see `serve`.
        *arguments: of the function; their `repr` must be Python code.
    """
    module = function.__globals__["__spec__"].name
    program = (
        f"from trainers.benchmarks.peers.step_server import serve; import {module} as module; "
        f"step, facts = module.{function.__name__}(*{arguments!r}); serve(step, **facts)"
    )
    return Contender(name, precision, [sys.executable, "-c", program])


def pytorch(name: str, precision: str, peer_python: str, script: str, *arguments: Any) -> Contender:
    """Returns a contender with PyTorch, which runs a script of `trainers.benchmarks.peers` in another Python.

    Args:
        name, precision: see `Contender`.
        peer_python: that has PyTorch.
        script: without its ending.
        *arguments: of the script.
    """
    # By its path: as a module of the package, it would need the package in the other Python.
    return Contender(name, precision, [peer_python, str(PEERS / f"{script}.py"), *map(str, arguments)])


def lacks(peer_python: str, *modules: str) -> str | None:
    """Says why a Python is no peer, or returns None if it has the modules.

    Raises:
        ArgumentError: if there is no such Python.
    """
    if shutil.which(peer_python) is None:
        raise ArgumentError(f"--peer_python={peer_python} must be a Python: there is no such program.")
    for module in modules:
        program = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
        if subprocess.run([peer_python, "-c", program]).returncode:
            return f"{peer_python} has no {module}: pass --peer_python=, a Python that has it"
    return None


def compare(contenders: Sequence[Contender], repeats: int, unit: str = "images") -> dict[str, dict]:
    """Measures contenders and the product of two matrices of 4096x4096 in turns.

    Args:
        contenders: the contenders. All make the same step. The facts of the first one have its `multiply_adds`.
        repeats: steps of each that are timed.
        unit: what a contender's fact `units` counts.

    Returns:
        Figures by precision and name. They are the median of the units per second, the lowest and the highest;
        `steps`, from which these are, and `others`, the share of the cores that other processes took meanwhile;
        `share_of_ceiling`, the rate of multiply-adds as a share of the matrix product's in the same precision; of a
        peer, how many times as fast ours is, and how many times the memory it takes; the peak memory; the number of
        parameters; and the seconds of the first step, which traces and compiles.

    Raises:
        RuntimeError: if a process fails, or if the contenders' nets differ in their number of parameters.
    """
    precisions = dict.fromkeys(contender.precision for contender in contenders)
    products = [ours(CEILING, precision, matrix_product, precision) for precision in precisions]
    measured = _in_turns([*contenders, *products], repeats)
    facts = [measured[contender.precision, contender.name] for contender in contenders]
    if len({fact["parameters"] for fact in facts}) > 1:
        raise RuntimeError(f"the nets differ: {', '.join(str(fact['parameters']) for fact in facts)} parameters.")
    figures = {}
    for precision in precisions:
        own, product = measured[precision, OURS], measured[precision, CEILING]
        ceiling = product["multiply_adds"] / _median_seconds(product)
        figures[f"{precision} {CEILING}"] = _rates(2e-9 * product["multiply_adds"], "gflop", product)
        for contender in contenders:
            if contender.precision != precision:
                continue
            found = measured[precision, contender.name]
            seconds = _median_seconds(found)
            figures[f"{precision} {contender.name}"] = {
                **_rates(found["units"], unit, found),
                "share_of_ceiling": facts[0]["multiply_adds"] / seconds / ceiling,
                "ours_times_as_fast": seconds / _median_seconds(own),
                "ours_times_the_memory": own["peak_gib"] / found["peak_gib"],
                **{name: found[name] for name in ("peak_gib", "parameters", "first_step_seconds")},
            }
    return figures


def matrix_product(precision: str) -> tuple[Callable[[], Any], dict[str, float]]:
    """Returns the step that multiplies two matrices, and its facts."""
    matrix = tf.cast(tf.random.normal((MATRIX, MATRIX)), precision)
    product = tf.function(lambda: tf.reduce_max(tf.matmul(matrix, matrix)))
    return lambda: product().numpy(), {"multiply_adds": MATRIX**3}


def _median_seconds(found):
    return float(np.median([seconds for seconds, _ in found["steps"]]))


def _rates(amount, unit, found):
    """Returns the amount per second, the median, the lowest and the highest, and the steps that these are from."""
    seconds, others = np.transpose(found["steps"])
    low, median, high = np.percentile(amount / seconds, (0, 50, 100)).tolist()
    steps = {"steps": len(seconds), "others": float(others.mean())}
    return {f"{unit}_per_second": median, "low": low, "high": high, **steps}


def _in_turns(contenders, repeats):
    """Returns the facts of each contender, the undisturbed `steps` and its `peak_gib`, by precision and name.

    A step is its seconds and the share of the cores that other processes took.
    """
    with contextlib.ExitStack() as stack:
        processes = {}
        for contender in contenders:
            processes[contender.precision, contender.name] = stack.enter_context(_Process(contender.command))
        for _ in range(repeats):
            for process in processes.values():
                process.step()
        return {name: process.end() for name, process in processes.items()}


class _Process:
    """A process of `step_server`, which is ready, and is ended at the end of a `with` statement."""

    def __init__(self, command):
        self._errors = tempfile.TemporaryFile("w+")
        self._command = command
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )
        self._steps = []

    def __enter__(self):
        try:
            self._facts = self._answer()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error):
        with self._process, self._errors:
            self._process.kill()

    def step(self):
        before = _busy_seconds()
        print(file=self._process.stdin, flush=True)
        answer = self._answer()
        others = _busy_seconds() - before - answer["cpu_seconds"]
        self._steps.append((answer["seconds"], max(0.0, others / answer["seconds"] / os.cpu_count())))

    def end(self):
        self._process.stdin.close()
        undisturbed = [step for step in self._steps if step[1] <= MOST_BY_OTHERS]
        enough = len(undisturbed) >= LEAST_UNDISTURBED * len(self._steps)
        return {**self._facts, "steps": undisturbed if enough else self._steps, **self._answer()}

    def _answer(self):
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise RuntimeError(f"{' '.join(self._command)} failed:\n{self._errors.read()}")
        return json.loads(line)


def _busy_seconds():
    """Returns the seconds of all cores in which they were not idle."""
    columns = pathlib.Path("/proc/stat").read_text().splitlines()[0].split()
    return sum(int(columns[column]) for column in BUSY.values()) / os.sysconf("SC_CLK_TCK")
