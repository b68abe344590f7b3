"""Images turned upright, by EXIF's orientation (JEITA CP-3451, tag 0x0112): how the camera was held.

An image of orientation 1 is stored upright; one of 2, 3 or 4 is mirrored, turned by 180 degrees, or both; 5 to 8 are 1
to 4 with rows stored as columns. An orientation is a scalar int32 tensor, or `UPRIGHT` where it is known before the
graph runs, which then costs nothing.

Shapes: H and W height and width in pixels.
"""

from collections.abc import Callable

import tensorflow as tf

UPRIGHT = 1  # of an image that is stored upright
SIDEWAYS = 5  # the first one whose rows are stored as columns


def upright(image: tf.Tensor, orientation: tf.Tensor | int) -> tf.Tensor:
    """Turns an image (H, W, 3) as stored; returns (H, W, 3), or (W, H, 3) where rows were stored as columns."""

    def turned():
        height, width = tf.unstack(tf.shape(image)[:2])
        rows, columns = tf.range(height), tf.range(width)
        # Not tf.transpose, about whose uint8 oneDNN writes a line.
        places = tf.cond(
            tf.greater_equal(orientation, SIDEWAYS),
            lambda: rows * width + columns[:, tf.newaxis],
            lambda: rows[:, tf.newaxis] * width + columns,
        )
        pixels = tf.gather(tf.reshape(image, [-1, 3]), places)
        return tf.raw_ops.Reverse(tensor=pixels, dims=tf.concat([_mirrored(orientation), [False]], axis=0))

    return tf.ensure_shape(_unless_upright(orientation, turned, image), [None, None, 3])


def upright_shape(shape: tf.Tensor, orientation: tf.Tensor | int) -> tf.Tensor:
    """Returns the height and width, (2,), of the upright image for those of the stored one, and the other way round."""
    return _unless_upright(
        orientation, lambda: tf.where(tf.greater_equal(orientation, SIDEWAYS), shape[::-1], shape), shape
    )


def stored_window(window: tf.Tensor, orientation: tf.Tensor | int, shape: Callable[[], tf.Tensor]) -> tf.Tensor:
    """Returns where a window of the upright image is stored.

    Args:
        window: (4,) int32, top, left, height and width in the upright image.
        orientation: of the image.
        shape: function that returns the height and width (2,) int32 of the upright image.

    Returns:
        (4,) int32, top, left, height and width in the stored image.
    """

    def stored():
        corner, size = window[:2], window[2:]
        corner = tf.where(_mirrored(orientation), shape() - corner - size, corner)
        return tf.concat([upright_shape(corner, orientation), upright_shape(size, orientation)], axis=0)

    return _unless_upright(orientation, stored, window)


def _mirrored(orientation):
    """Returns whether rows are stored from bottom to top, and columns from right to left, (2,) bool."""
    turn = (orientation - 1) % 4
    return tf.stack([turn >= 2, tf.equal(turn, 1) | tf.equal(turn, 2)])


def _unless_upright(orientation, function, value):
    """Returns a value for an image that is stored upright, and the result of a function for others."""
    return value if isinstance(orientation, int) else tf.cond(orientation > UPRIGHT, function, lambda: value)
