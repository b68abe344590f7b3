"""Going through the parts of files: segments, chunks or blocks, each of which says where the next one begins."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

MOST = 4_000  # parts of a file that are looked at: images have a dozen, or hundreds with long metadata
TOO_MANY = f"it has more than {MOST} parts before its image: save it again"


def go_through(files: tf.Tensor, start: tf.Tensor, step: Callable, state: Any) -> tuple[Any, tf.Tensor]:
    """Goes through the parts of each file, up to its end.

    Args:
        files: strings of any shape (...).
        start: where the first part begins, (...) int64.
        step: function from positions and the state to the positions of the next part, and the new state. Positions from
            the file's end on are those of files that are done.
        state: before the first part, a structure of tensors.

    Returns:
        The last state, and why a file cannot be used, (...) strings: `TOO_MANY`, or "".
    """
    lengths = tf.cast(tf.strings.length(files), tf.int64)

    def goes_on(position, _):
        return tf.reduce_any(position < lengths)

    position, state = tf.while_loop(goes_on, step, (start, state), maximum_iterations=MOST)
    return state, tf.where(position < lengths, TOO_MANY, "")
