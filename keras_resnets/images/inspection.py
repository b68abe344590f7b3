"""What an image file is, found without decoding it: its format, its size, its orientation, or why it cannot be used."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_resnets.images import exif
from keras_resnets.images.findings import Findings, nothing
from keras_resnets.images.formats import FOREIGN, FORMATS, NAMES
from keras_resnets.images.numbers import read

HEAD = 16  # bytes, in which the names of formats are
EMPTY = "it is empty"
UNKNOWN = f"it cannot be decoded as {NAMES}"
DAMAGED = "it cannot be decoded: it is damaged"


class Inspected(NamedTuple):
    """What files of shape (...) are.

    Attributes:
        format: int32, index in `FORMATS`; -1 for other formats.
        size: (..., 2) int64, width and height in pixels, as stored; zeros in a JPEG, whose size
            `tf.io.extract_jpeg_shape` finds, and in other formats.
        orientation: int32, EXIF's, from 1 to 8.
        why_not: strings, why a file cannot be used, for example "it is TIFF, not JPEG, PNG, BMP, GIF or WebP"; "" for a
            file that can be decoded, unless it is damaged.
    """

    format: tf.Tensor
    size: tf.Tensor
    orientation: tf.Tensor
    why_not: tf.Tensor


def inspect(files: tf.Tensor) -> Inspected:
    """Returns what files are, which are strings of any shape (...). No file is an error."""
    head = read(files, 0, HEAD)
    rows = FORMATS.values()
    format_ = _first_match(head, [(row.magic, 0) for row in rows], [(row.name, 8) for row in rows])
    found = nothing(files)
    for index, row in enumerate(rows):
        # Formats that no file has are skipped.
        has_format = tf.equal(format_, index)
        new = tf.cond(tf.reduce_any(has_format), lambda row=row: row.inspect(files), lambda found=found: found)
        found = Findings(
            tf.where(has_format[..., tf.newaxis], new.size, found.size),
            tf.where(has_format, new.exif, found.exif),
            tf.where(has_format, new.why_not, found.why_not),
        )
    why_not = tf.where(format_ < 0, _foreign(files, head), found.why_not)
    return Inspected(format_, found.size, exif.orientation(files, found.exif), why_not)


def _foreign(files, head):
    """Returns why files of other formats cannot be used."""
    found = _first_match(head, [(magic, at) for _, magic, at in FOREIGN])
    names = tf.constant([UNKNOWN, *(f"it is {name}, not {NAMES}" for name, *_ in FOREIGN)])
    return tf.where(tf.equal(files, ""), EMPTY, tf.gather(names, found + 1))


def _first_match(head, *texts):
    """Returns the index of the first row of which all texts are in the head, (...) int32; -1 for none.

    Args:
        head: the first bytes of files, (..., HEAD) int64.
        texts: lists with a text and its position for each row.
    """
    wanted = np.full((len(texts[0]), HEAD), -1)
    for column in texts:
        for row, (text, at) in zip(wanted, column):
            row[at : at + len(text)] = [*text]
    matches = tf.reduce_all(tf.equal(head[..., tf.newaxis, :], wanted) | (wanted < 0), axis=-1)
    found = tf.argmax(matches, axis=-1, output_type=tf.int32)
    return tf.where(tf.reduce_any(matches, axis=-1), found, -1)
