"""What the inspection of files finds: the same for every format."""

from typing import NamedTuple

import tensorflow as tf


class Findings(NamedTuple):
    """What files of shape (...) are.

    Attributes:
        size: (..., 2) int64, widths and heights in pixels, as stored; zeros where it is not looked for.
        exif: (...) int64, where EXIF begins, see `keras_resnets.images.exif`; zeros for nowhere.
        why_not: (...) strings, why a file cannot be decoded; "" for one that can.
    """

    size: tf.Tensor
    exif: tf.Tensor
    why_not: tf.Tensor


def nothing(files: tf.Tensor) -> Findings:
    """Returns the findings for files of which nothing is found: no size, no EXIF, no reason against them."""
    shape = tf.shape(files)
    size = tf.zeros(tf.concat([shape, [2]], axis=0), tf.int64)
    return Findings(size, tf.zeros(shape, tf.int64), tf.fill(shape, ""))
