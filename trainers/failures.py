"""What TensorFlow raises when something outside of the program fails, in words that say what to do."""

import contextlib
import re

import tensorflow as tf

from keras_resnets import ArgumentError


def first_line(error):
    """Returns the first line of an exception's text."""
    return str(error).strip().split("\n")[0]


@contextlib.contextmanager
def explained(several_machines):
    """Turns what TensorFlow raises when machines or memory fail into an ArgumentError; for a `with` statement."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise ArgumentError(
            f"out of memory ({_without_node(error)}): use a smaller --batch_size, a higher --accumulation, or --remat."
        ) from error
    except (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.InternalError,
        tf.errors.DeadlineExceededError,
    ) as error:
        if not several_machines:
            raise
        raise ArgumentError(
            f"another machine has stopped or cannot be reached ({_without_node(error)}): "
            "give the same command on all machines again, to go on from the last checkpoint."
        ) from error


def _without_node(error):
    return re.sub(r"{{.*?}} ?", "", first_line(error.message))[:200]
