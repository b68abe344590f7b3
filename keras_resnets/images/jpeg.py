"""JPEG files (ISO/IEC 10918)."""

import tensorflow as tf

from keras_resnets.images import exif
from keras_resnets.images.findings import Findings, nothing
from keras_resnets.images.numbers import big_endian, is_text, read

FAST, EXACT = "", "INTEGER_ACCURATE"  # transforms of libjpeg; TensorFlow's default is the fast one


def inspect(files: tf.Tensor) -> Findings:
    """Returns what files of shape (...) are, without their sizes: see `shape`."""

    def segment(position):
        head = read(files, position, 10)
        marker = head[..., 1]
        is_exif = tf.equal(marker, 0xE1) & is_text(head[..., 4:], exif.EXIF)
        # Segments of applications and comments come first: the image's own are not looked at, to save time.
        goes_on = tf.equal(head[..., 0], 0xFF) & ((marker >= 0xE0) & (marker <= 0xEF) | tf.equal(marker, 0xFE))
        return is_exif, goes_on, position + 2 + big_endian(head[..., 2:4])

    content, why_not = exif.find_segment(files, 2, 4, segment)
    return nothing(files)._replace(exif=content, why_not=why_not)


def decode(encoded: tf.Tensor, exact: bool) -> tf.Tensor:
    """Returns the image of one file as stored, (H, W, 3) uint8; `exact`: see `keras_resnets.images.decoding.decode`."""
    return tf.io.decode_jpeg(encoded, channels=3, dct_method=EXACT if exact else FAST)


def decode_window(encoded: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """Returns a window of the stored image, (h, w, 3) uint8; `window` is (4,) int32: top, left, height and width."""
    return tf.image.decode_and_crop_jpeg(encoded, window, channels=3)


def shape(encoded: tf.Tensor) -> tf.Tensor:
    """Returns the height and width of the stored image, (2,) int32. A damaged file is an error."""
    return tf.io.extract_jpeg_shape(encoded)[:2]
