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
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_resnets.errors import ArgumentError
from trainers.runtime.measuring import ended

OURS, CEILING = "keras_resnets", "matrix product"
MATRIX = 4096  # rows and columns
MOST_BY_OTHERS = 0.1  # share of the cores that other processes take in an undisturbed step
LEAST_UNDISTURBED = 1 / 3  # share of the steps
# Columns of /proc/stat: ticks in which a core computes (user, nice, system, irq, softirq) or another machine has it.
BUSY = (1, 2, 3, 6, 7, 8)
# Columns of /proc/PID/stat after the name: the process group, and ticks in user and in system mode.
GROUP, TICKS = 2, (11, 12)
PEERS = pathlib.Path(__file__).with_name("peers")


@dataclasses.dataclass(frozen=True)
class Contender:
    """A process of `trainers.benchmarks.peers.step_server.serve`.

    Attributes:
        work: what it does, such as the name of a net. Contenders of the same work and precision are compared.
        precision: "float32" or "bfloat16", that of the matrix product which it is compared with; None for none.
        name: `OURS`, or that of a peer.
        command: of the process.
    """

    work: str
    precision: str | None
    name: str
    command: tuple[str, ...]

    @property
    def group(self) -> str:
        """The work and its precision."""
        return self.work if self.precision is None else f"{self.work} {self.precision}"


def tensorflow(
    work: str,
    precision: str | None,
    name: str,
    function: Callable[..., tuple[Callable[[], Any], Mapping[str, float]]],
    *arguments: Any,
) -> Contender:
    """Returns a contender with TensorFlow, which runs in this Python.

    Args:
        work, precision, name: see `Contender`.
        function: of a module; from the arguments to a step and its facts, see `compare`.
        *arguments: of the function; their `repr` must be Python code.
    """
    module = function.__globals__["__spec__"].name
    program = (
        f"from trainers.benchmarks.peers.step_server import serve; import {module} as module; "
        f"step, facts = module.{function.__name__}(*{arguments!r}); serve(step, **facts)"
    )
    return Contender(work, precision, name, (sys.executable, "-c", program))


def pytorch(work: str, precision: str | None, name: str, peer_python: str, script: str, *arguments: Any) -> Contender:
    """Returns a contender with PyTorch.

    Args:
        work, precision, name: see `Contender`.
        peer_python: the Python that has PyTorch.
        script: of `trainers.benchmarks.peers`, without its ending.
        *arguments: of the script.
    """
    # By its path: as a module of the package, it would need the package in the other Python.
    return Contender(work, precision, name, (peer_python, str(PEERS / f"{script}.py"), *map(str, arguments)))


def lacks(peer_python: str, *modules: str) -> str | None:
    """Returns why a Python is left out as a peer, or None if it has the modules.

    Raises:
        ArgumentError: if there is no such Python.
    """
    if shutil.which(peer_python) is None:
        raise ArgumentError(f"--peer_python={peer_python} must be a Python: there is no such program.")
    for module in modules:
        program = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
        if subprocess.run([peer_python, "-c", program]).returncode:
            return f"left out: {peer_python} has no {module}: pass --peer_python=... of a Python that has it"
    return None


def compare(contenders: Sequence[Contender], repeats: int, unit: str = "images") -> dict[str, dict]:
    """Measures contenders, and the product of two matrices of 4096x4096 in their precisions, in turns.

    A contender's facts are `units`, what a step makes or takes; `parameters`, of its net, if it has one; and of ours,
    where there is a precision, the `multiply_adds` of a step.

    Args:
        contenders: the contenders, one of each group with the name `OURS`.
        repeats: steps of each that are timed.
        unit: what `units` counts.

    Returns:
        Figures by group and name. They are the median of the units per second, the lowest and the highest; `steps`,
        from which these are, and `others`, the share of the cores that other processes took meanwhile; how many times
        as fast ours is, and how many times the memory it takes; `share_of_ceiling`, the rate of multiply-adds as a
        share of the matrix product's; the peak memory of the process, without its children; the number of parameters;
        and the seconds of the first step, which traces and compiles.

    Raises:
        ChildProcessError: if a process fails, with the last line of its standard error.
        ArgumentError: if the nets of a group differ in their number of parameters.
    """
    precisions = dict.fromkeys(contender.precision for contender in contenders if contender.precision is not None)
    products = [tensorflow(CEILING, precision, "", matrix_product, precision) for precision in precisions]
    measured = _in_turns([*products, *contenders], repeats)
    figures = {}
    for product in products:
        found = measured[product]
        figures[product.group] = _rates(2e-9 * found["multiply_adds"], "gflop", found)
    for contender in contenders:
        found = measured[contender]
        (own,) = (measured[one] for one in contenders if one.group == contender.group and one.name == OURS)
        if own.get("parameters") != found.get("parameters"):
            raise ArgumentError(
                f"{contender.name} does not do the same work: {contender.group} has {found.get('parameters')} "
                f"parameters there, and {own.get('parameters')} here."
            )
        row = _rates(found["units"], unit, found)
        row["ours_times_as_fast"] = _median_seconds(found) / _median_seconds(own) * own["units"] / found["units"]
        row["ours_times_the_memory"] = own["peak_gib"] / found["peak_gib"]
        for product in products:
            if product.precision == contender.precision:
                rates = [one["multiply_adds"] / _median_seconds(one) for one in ({**own, **found}, measured[product])]
                row["share_of_ceiling"] = rates[0] / rates[1]
        facts = {name: found[name] for name in ("peak_gib", "parameters", "first_step_seconds") if name in found}
        figures[f"{contender.group} {contender.name}"] = {**row, **facts}
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
    """Returns the facts of each contender, its undisturbed `steps` and its `peak_gib`, by contender.

    A step is its seconds and the share of the cores that other processes took.
    """
    with contextlib.ExitStack() as stack:
        processes = {}
        for contender in contenders:
            processes[contender] = stack.enter_context(_Process(contender))
        for _ in range(repeats):
            for process in processes.values():
                process.step()
        return {contender: process.end() for contender, process in processes.items()}


class _Process:
    """A process of `step_server`, which is ready, and is ended with its children at the end of a `with` statement."""

    def __init__(self, contender):
        self._label, self._steps = f"{contender.group} {contender.name}".strip(), []
        self._errors = tempfile.TemporaryFile("w+")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._errors}
        self._process = subprocess.Popen(contender.command, **pipes, text=True, process_group=0)

    def __enter__(self):
        try:
            self._facts = self._answer()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error):
        # Popen closes the pipe to a process that may have ended.
        with contextlib.suppress(BrokenPipeError), self._process, self._errors:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def step(self):
        before = self._ticks_of_others()
        with contextlib.suppress(BrokenPipeError):  # It has ended: `_answer` says why.
            print(file=self._process.stdin, flush=True)
        seconds = self._answer()["seconds"]
        others = (self._ticks_of_others() - before) / os.sysconf("SC_CLK_TCK")
        self._steps.append((seconds, max(0.0, others / seconds / os.cpu_count())))

    def end(self):
        self._process.stdin.close()
        undisturbed = [step for step in self._steps if step[1] <= MOST_BY_OTHERS]
        enough = len(undisturbed) >= LEAST_UNDISTURBED * len(self._steps)
        return {**self._facts, "steps": undisturbed if enough else self._steps, **self._answer()}

    def _answer(self):
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise ended(self._label, self._process.wait(), self._errors.read())
        return json.loads(line)

    def _ticks_of_others(self):
        """Returns the time in which other processes had the cores, in ticks since the machine's start."""
        own = 0
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # It has ended.
                values = path.read_text().rpartition(")")[2].split()
                own += int(values[TICKS[0]]) + int(values[TICKS[1]]) if int(values[GROUP]) == self._process.pid else 0
        columns = pathlib.Path("/proc/stat").read_text().splitlines()[0].split()
        return sum(int(columns[column]) for column in BUSY) - own
