"""Numbers in the bytes of files.

Shapes: files are strings of any shape (...); positions have the same shape, or are scalars. Bytes beyond the end of a
file are zeros: no file, however damaged, is an error.
"""

import tensorflow as tf


def read(files: tf.Tensor, position: tf.Tensor | int, count: int) -> tf.Tensor:
    """Returns `count` bytes from a position on, (..., count) int64."""
    lengths = tf.cast(tf.strings.length(files), tf.int64)
    position = tf.clip_by_value(tf.broadcast_to(tf.cast(position, tf.int64), tf.shape(lengths)), 0, lengths)
    part = tf.strings.substr(files, position, tf.fill(tf.shape(lengths), tf.constant(count, tf.int64)))
    return tf.cast(tf.io.decode_raw(part, tf.uint8, fixed_length=count), tf.int64)


def little_endian(digits: tf.Tensor) -> tf.Tensor:
    """Returns the number, (...) int64, whose bytes are (..., count) int64, the lowest first."""
    return tf.reduce_sum(digits * [256**i for i in range(digits.shape[-1])], axis=-1)


def big_endian(digits: tf.Tensor) -> tf.Tensor:
    """Returns the number, (...) int64, whose bytes are (..., count) int64, the highest first."""
    return tf.reduce_sum(digits * [256**i for i in reversed(range(digits.shape[-1]))], axis=-1)


def is_text(digits: tf.Tensor, text: bytes) -> tf.Tensor:
    """Returns whether bytes (..., count) begin with a text, (...) bool."""
    return tf.reduce_all(tf.equal(digits[..., : len(text)], [*text]), axis=-1)
