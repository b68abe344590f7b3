"""WebP files (Google's "WebP Container Specification")."""

import tensorflow as tf

from keras_resnets.images import exif
from keras_resnets.images.findings import Findings
from keras_resnets.images.numbers import is_text, little_endian, read

ANIMATION = "it is an animated WebP: save its first frame as PNG"


def inspect(files: tf.Tensor) -> Findings:
    """Returns what files of shape (...) are. Animations are refused: TensorFlow 2.21 does not decode all of them."""
    head = read(files, 12, 18)  # from the name of the first chunk on

    def number(start, count):
        return little_endian(head[..., start : start + count])

    is_extended, is_lossless = is_text(head, b"VP8X"), is_text(head, b"VP8L")
    extended = tf.stack([number(12, 3), number(15, 3)], axis=-1) + 1
    lossless = tf.stack([number(9, 4), number(9, 4) // 2**14], axis=-1) % 2**14 + 1
    lossy = tf.stack([number(14, 2), number(16, 2)], axis=-1) % 2**14
    size = tf.where(is_lossless[..., tf.newaxis], lossless, lossy)

    def chunk(position):
        head = read(files, position, 8)
        count = little_endian(head[..., 4:])
        return is_text(head, b"EXIF"), tf.ones_like(count, tf.bool), position + 8 + count + count % 2

    content, why_not = exif.find_segment(files, 12, 8, chunk)
    return Findings(
        tf.where(is_extended[..., tf.newaxis], extended, size),
        content,
        tf.where(is_extended & tf.equal(head[..., 8] // 2 % 2, 1), ANIMATION, why_not),
    )


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """Returns the image of one file as stored, (H, W, 3) uint8."""
    # Asked for three channels, TensorFlow refuses a file with transparency.
    return tf.io.decode_image(encoded, channels=0, expand_animations=False)[..., :3]
