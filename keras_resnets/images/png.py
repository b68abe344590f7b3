"""PNG files (ISO/IEC 15948)."""

import tensorflow as tf

from keras_resnets.images import exif
from keras_resnets.images.findings import Findings
from keras_resnets.images.numbers import big_endian, is_text, read

AFTER_HEADER = 33  # where the second chunk begins: the first one always has the size
DEEP_GRAY = "it is a 16-bit grayscale PNG, which programs scale differently: save it with 8 bits"


def inspect(files: tf.Tensor) -> Findings:
    """Returns what files of shape (...) are.

    Of 16-bit grayscale, TensorFlow shows the upper 8 bits, and Pillow white for all but the lowest 255 levels.
    """
    head = read(files, 16, 10)  # width, height, bits of a sample, kind of color
    is_deep_gray = tf.reduce_all(tf.equal(head[..., 8:], [16, 0]), axis=-1)

    def chunk(position):
        head = read(files, position, 8)
        following = position + 12 + big_endian(head[..., :4])
        return is_text(head[..., 4:], b"eXIf"), ~is_text(head[..., 4:], b"IDAT"), following

    content, why_not = exif.find_segment(files, AFTER_HEADER, 8, chunk)
    return Findings(
        tf.stack([big_endian(head[..., :4]), big_endian(head[..., 4:8])], axis=-1),
        content,
        tf.where(is_deep_gray, DEEP_GRAY, why_not),
    )


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """Returns the image of one file as stored, (H, W, 3) uint8."""
    return tf.io.decode_png(encoded, channels=3)
