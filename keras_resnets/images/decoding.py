"""Decoding of image files as Pillow decodes them, upright, to red, green and blue."""

import functools
from collections.abc import Sequence

import tensorflow as tf

from keras_resnets.images.formats import FORMATS
from keras_resnets.images.inspection import inspect
from keras_resnets.images.orientation import upright


def decode(encoded: tf.Tensor, exact: bool = False) -> tf.Tensor:
    """Decodes one JPEG, PNG, BMP, GIF (its first frame) or WebP file.

    Args:
        encoded: scalar string tensor, the file's bytes.
        exact: whether a JPEG is decoded as Pillow decodes it, to the last bit. That takes longer; otherwise a pixel
            differs by a few gray levels.

    Returns:
        (H, W, 3) uint8, upright: see `keras_resnets.images.orientation`. Grayscale is repeated, transparency is
        dropped, CMYK is converted.

    Raises:
        tf.errors.InvalidArgumentError: if the file cannot be decoded; the message says why.
    """
    inspected = inspect(encoded)
    with tf.control_dependencies([tf.debugging.Assert(tf.equal(inspected.why_not, ""), [inspected.why_not])]):
        encoded = tf.identity(encoded)
    return upright(decode_stored(encoded, inspected.format, exact=exact), inspected.orientation)


def decode_stored(
    encoded: tf.Tensor, format: tf.Tensor, formats: Sequence[int] = range(len(FORMATS)), exact: bool = False
) -> tf.Tensor:
    """Decodes a file of a known format, as it is stored.

    Args:
        encoded, exact: see `decode`.
        format: scalar int32, the index of its format in `FORMATS`.
        formats: the indices that it may be; the fewer, the sooner a graph is built.

    Returns:
        (H, W, 3) uint8.
    """
    decoders = {name: functools.partial(row.decode, encoded) for name, row in FORMATS.items()}
    decoders["JPEG"] = functools.partial(decoders["JPEG"], exact)
    branches = [[*decoders.values()][index] for index in formats]
    if len(branches) == 1:
        image = branches[0]()
    else:
        image = tf.switch_case(tf.argmax(tf.equal(format, [*formats]), output_type=tf.int32), branches)
    return tf.ensure_shape(image, [None, None, 3])
