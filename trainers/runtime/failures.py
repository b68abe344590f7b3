"""Error messages that say what to do: about a flag, or about a failure of data, memory or machines.

TensorFlow is imported by `explained` only: flags are checked before it is loaded.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from keras_resnets.errors import ArgumentError, first_line

if TYPE_CHECKING:
    import tensorflow as tf

READING = "IteratorGetNext"  # the operation that takes a batch from a tf.data.Dataset
COMPILING = "tf2xla conversion failed"  # of XLA
UNSUPPORTED = "Detected unsupported operations"  # by XLA
ASSERTION = "ArgumentError: "  # at the beginning of an assertion's message that says what to do
NOT_MEMORY = ("No space left", "Too many open files")  # ResourceExhaustedErrors with other causes
LOST_MACHINE = ("UnavailableError", "AbortedError", "CancelledError", "InternalError", "DeadlineExceededError")


class Diverged(ArgumentError):
    """A loss that is not finite."""


@contextlib.contextmanager
def naming(flag: str, about: str = "") -> Iterator[None]:
    """Names a flag in the ArgumentErrors of a `with` statement whose messages begin with `about`."""
    try:
        yield
    except ArgumentError as error:
        if not str(error).startswith(about):
            raise
        raise ArgumentError(f"{flag}: {error}") from error


@contextlib.contextmanager
def as_flags() -> Iterator[None]:
    """Writes arguments as flags in the ArgumentErrors of a `with` statement, which begin with NAME=VALUE."""
    try:
        yield
    except ArgumentError as error:
        raise ArgumentError(f"--{error}") from error


@contextlib.contextmanager
def explained(several_machines: bool) -> Iterator[None]:
    """Turns TensorFlow's errors of data, memory and machines in a `with` statement into ArgumentErrors.

    It does the same for assertions, e.g. `tf.debugging.assert_less_equal`, whose messages begin with `ASSERTION`.

    Args:
        several_machines: whether the run has several machines.
    """
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        explanation = _explanation(error, several_machines)
        if explanation is None:
            raise
        raise ArgumentError(explanation) from error


def cause(error: tf.errors.OpError) -> str:
    """Returns the line of an error that says what went wrong; in a graph, that is the one before the node's name."""
    found = re.search(rf"{UNSUPPORTED}[^\n]+|[^\n]+(?=\n\s*\[\[{{{{node)", error.message)
    line = found[0] if found else first_line(error.message)
    return re.sub(r"{{.*?}} ?", "", line).strip()[:200]


def _explanation(error, several_machines):
    """Returns the message with the remedy, or None for an unknown error."""
    reason, kind = cause(error), type(error).__name__
    if asserted := re.search(rf"\[{ASSERTION}(.*?)\]", str(error)):
        return asserted[1]
    if COMPILING in str(error):
        return f"XLA cannot compile the training step ({reason}): leave out --jit_compile."
    if kind == "ResourceExhaustedError" and not any(text in str(error) for text in NOT_MEMORY):
        return (
            f"out of memory ({reason}): use smaller images; in training, also a smaller --batch_size, more "
            "--accumulation or, to classify, --remat."
        )
    if READING in str(error):
        return f"the data cannot be read ({reason}): restore them, and give the same command to go on."
    if several_machines and kind in LOST_MACHINE:
        return (
            f"another machine has stopped or cannot be reached ({reason}): "
            "give the same command on all machines again, to go on from the last checkpoint."
        )
    return None
