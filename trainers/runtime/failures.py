"""Errors in words that say what to do: about a flag, or when something outside of the program fails."""

import contextlib
import re

import tensorflow as tf

from keras_resnets import ArgumentError
from keras_resnets.errors import first_line

READING = "IteratorGetNext"  # the operation that takes a batch from a tf.data.Dataset
COMPILING = "tf2xla conversion failed"  # of XLA
UNSUPPORTED = "Detected unsupported operations"  # by XLA
ASSERTION = "ArgumentError: "  # with which the message of an assertion begins that says what to do
NOT_MEMORY = ("No space left", "Too many open files")  # that TensorFlow gives the same class as a lack of memory
LOST_MACHINE = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.InternalError,
    tf.errors.DeadlineExceededError,
)


class Diverged(ArgumentError):
    """A loss that is not finite."""


@contextlib.contextmanager
def naming(flag, about=""):
    """Names the flag in errors about its value, whose messages begin with `about`; for a `with` statement."""
    try:
        yield
    except ArgumentError as error:
        if not str(error).startswith(about):
            raise
        raise ArgumentError(f"{flag}: {error}") from error


@contextlib.contextmanager
def explained(several_machines):
    """Turns what TensorFlow raises when data, memory or machines fail into an ArgumentError; for a `with` statement."""
    try:
        yield
    except tf.errors.OpError as error:
        explanation = _explanation(error, several_machines)
        if explanation is None:
            raise
        raise ArgumentError(explanation) from error


def _explanation(error, several_machines):
    """Returns what to do about an error, or None where that is not known."""
    reason = cause(error)
    asserted = re.search(rf"\[{ASSERTION}(.*?)\]", str(error))
    if asserted:
        return asserted[1]
    if COMPILING in str(error):
        return f"XLA cannot compile the training step ({reason}): leave out --jit_compile."
    if isinstance(error, tf.errors.ResourceExhaustedError) and not any(text in str(error) for text in NOT_MEMORY):
        return (
            f"out of memory ({reason}): use smaller images; in training, also a smaller --batch_size, more "
            "--accumulation or, to classify, --remat."
        )
    if READING in str(error):
        return f"the data cannot be read ({reason}): restore them, and give the same command to go on."
    if several_machines and isinstance(error, LOST_MACHINE):
        return (
            f"another machine has stopped or cannot be reached ({reason}): "
            "give the same command on all machines again, to go on from the last checkpoint."
        )
    return None


def cause(error):
    """Returns the line of a `tf.errors.OpError` that says what went wrong: of a graph, that before the node's name."""
    found = re.search(rf"{UNSUPPORTED}[^\n]+|[^\n]+(?=\n\s*\[\[{{{{node)", error.message)
    line = found[0] if found else first_line(error.message)
    return re.sub(r"{{.*?}} ?", "", line).strip()[:200]
