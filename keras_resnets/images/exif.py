"""EXIF's orientation in files. JPEG, PNG and WebP have it in a segment, in the form of a TIFF file (JEITA CP-3451).

Shapes: files are strings of any shape (...).
"""

from collections.abc import Callable

import tensorflow as tf

from keras_resnets.images.numbers import big_endian, is_text, little_endian, read
from keras_resnets.images.orientation import UPRIGHT
from keras_resnets.images.parts import go_through

EXIF = b"Exif\0\0"  # stands before the TIFF file in JPEG, and in some WebP files
ORIENTATION, SHORT, LONG = 0x0112, 3, 4  # a tag, and the numbers of two types
ENTRIES = 64  # of a directory that are looked at: cameras write about a dozen, in the order of their tags

Segment = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]


def find_segment(files: tf.Tensor, start: int, header: int, segment: Segment) -> tuple[tf.Tensor, tf.Tensor]:
    """Finds the segment of EXIF.

    Args:
        files: strings of one format.
        start: where the first segment begins.
        header: bytes of a segment before its content.
        segment: function from positions to whether a segment of EXIF begins there, whether others may follow, and where
            the next one begins.

    Returns:
        Where its content begins, (...) int64; 0 for a file without EXIF. And why a file cannot be used, (...) strings:
        see `keras_resnets.images.parts.go_through`.
    """
    lengths = tf.cast(tf.strings.length(files), tf.int64)

    def step(position, found):
        is_exif, goes_on, following = segment(position)
        found = tf.where(is_exif & (position < lengths), position + header, found)
        return tf.where(goes_on & ~is_exif, following, lengths), found

    return go_through(files, tf.fill(tf.shape(lengths), tf.constant(start, tf.int64)), step, tf.zeros_like(lengths))


def orientation(files: tf.Tensor, content: tf.Tensor) -> tf.Tensor:
    """Returns EXIF's orientation, (...) int32, 1 to 8, for positions of `find_segment`; 1 for a file without EXIF."""
    stated = tf.cond(
        tf.reduce_any(content > 0), lambda: _orientation_in_tiff(files, content), lambda: tf.zeros_like(content)
    )
    is_valid = (content > 0) & (stated >= 1) & (stated <= 8)
    return tf.where(is_valid, tf.cast(stated, tf.int32), UPRIGHT)


def _orientation_in_tiff(files, start):
    """Returns the orientation in the first directory of TIFF files, (...) int64; 0 if there is none."""
    start += tf.where(is_text(read(files, start, len(EXIF)), EXIF), tf.constant(len(EXIF), tf.int64), 0)
    head = read(files, start, 8)
    is_big = is_text(head, b"MM")

    def number(digits):
        """Returns numbers in the file's order of bytes: one, or one for each entry."""
        order = is_big if digits.shape.rank == head.shape.rank else is_big[..., tf.newaxis]
        return tf.where(order, big_endian(digits), little_endian(digits))

    directory = start + number(head[..., 4:])
    count = number(read(files, directory, 2))
    entries = read(files, directory + 2, 12 * ENTRIES)
    entries = tf.reshape(entries, tf.concat([tf.shape(start), [ENTRIES, 12]], axis=0))
    tags, types = number(entries[..., :2]), number(entries[..., 2:4])
    values = tf.where(tf.equal(types, LONG), number(entries[..., 8:]), number(entries[..., 8:10]))
    is_entry = tf.range(ENTRIES, dtype=tf.int64) < count[..., tf.newaxis]
    is_wanted = is_entry & tf.equal(tags, ORIENTATION) & (tf.equal(types, SHORT) | tf.equal(types, LONG))
    is_tiff = is_big | is_text(head, b"II")
    return tf.where(is_tiff, tf.reduce_max(tf.where(is_wanted, values, 0), axis=-1), 0)
