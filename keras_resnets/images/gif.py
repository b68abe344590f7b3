"""GIF files whose first frame TensorFlow decodes as Pillow does.

Sources: the GIF89a specification; Pillow 13; TensorFlow 2.21, which makes transparent pixels black, where Pillow shows
the color that the palette has for them.
"""

from typing import NamedTuple

import tensorflow as tf

from keras_resnets.images.findings import Findings, nothing
from keras_resnets.images.numbers import little_endian, read
from keras_resnets.images.parts import go_through

PARTIAL_FRAME = "it is a GIF whose first frame does not fill the image: save it as PNG"
EXTENSION, CONTROL, FRAME = 0x21, 0xF9, 0x2C  # the first bytes of blocks


class _FirstFrame(NamedTuple):
    """Where the first frame's blocks are: positions (...) int64, 0 for none."""

    frame: tf.Tensor
    control: tf.Tensor


def inspect(files: tf.Tensor) -> Findings:
    """Returns what files of shape (...) are."""
    (frame, _), why_not = _first_frame(files)
    screen = read(files, 6, 4)
    corner_and_size = tf.concat([tf.zeros_like(screen), screen], axis=-1)
    fills = tf.reduce_all(tf.equal(read(files, frame + 1, 8), corner_and_size), axis=-1) | tf.equal(frame, 0)
    size = tf.stack([little_endian(screen[..., :2]), little_endian(screen[..., 2:])], axis=-1)
    return nothing(files)._replace(size=size, why_not=tf.where(fills, why_not, PARTIAL_FRAME))


def opaque(files: tf.Tensor) -> tf.Tensor:
    """Returns files without the mark that a color of the first frame is transparent."""
    (_, control), _ = _first_frame(files)
    control, lengths = tf.cast(control, tf.int32), tf.strings.length(files)
    marks = tf.where(control > 0, tf.minimum(control + 3, lengths), lengths)
    head = tf.strings.substr(files, tf.zeros_like(marks), marks)
    tail = tf.strings.substr(files, tf.minimum(marks + 1, lengths), tf.fill(tf.shape(lengths), -1))
    return tf.strings.join([head, tf.where(marks < lengths, b"\0", b""), tail])


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """Returns the first frame of one file, (H, W, 3) uint8."""
    return tf.io.decode_image(opaque(encoded), channels=3, expand_animations=False)


def _first_frame(files):
    """Returns the `_FirstFrame` of files, and why a file cannot be used: see `go_through`."""
    lengths = tf.cast(tf.strings.length(files), tf.int64)

    def block(position, state):
        in_extension, found = state
        head = read(files, position, 2)
        kind, label = head[..., 0], head[..., 1]
        is_extension = ~in_extension & tf.equal(kind, EXTENSION)
        is_frame = ~in_extension & tf.equal(kind, FRAME)
        found = _FirstFrame(
            tf.where(is_frame, position, found.frame),
            tf.where(is_extension & tf.equal(label, CONTROL), position, found.control),
        )
        # An extension's head is followed by parts, each with its size in front; the last one is empty.
        following = tf.where(in_extension, position + 1 + kind, position + 2)
        goes_on = in_extension | is_extension
        return tf.where(goes_on, following, lengths), (goes_on & ~(in_extension & tf.equal(kind, 0)), found)

    screen = read(files, 10, 1)[..., 0]
    colors = tf.where(screen >= 128, 3 * 2 ** (screen % 8 + 1), 0)
    nothing = tf.zeros_like(lengths)
    state = tf.zeros_like(lengths, tf.bool), _FirstFrame(nothing, nothing)
    (_, found), why_not = go_through(files, 13 + colors, block, state)
    return found, why_not
