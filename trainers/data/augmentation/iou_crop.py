"""The random windows of SSD (arXiv 1512.02325, section 2.2), in the version of torchvision's RandomIoUCrop."""

import tensorflow as tf

from keras_resnets.ops.boxes import iou

SIDES = (0.3, 1.0)  # of a window, as shares of the image's
ASPECT_RATIOS = (0.5, 2.0)  # width divided by height
# A window has at least this IoU with an object whose center is in it.
LEAST_IOUS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
TRIALS = 40  # windows that are drawn


def iou_window(shape: tf.Tensor, objects: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Returns a random window, [x1, y1, x2, y2] (4,) int32 in pixels.

    Each of `LEAST_IOUS`, and the whole image, is chosen with the same probability. The first of the `TRIALS` windows
    that has the IoU is returned. If none has, another choice is made, as in torchvision. An image without objects stays
    whole.

    Args:
        shape: height and width of the image, (2,) int32.
        objects: (n, 4) float32, in pixels of the image.
        seed: (2,) integers.
    """
    order_seed, window_seed = tf.unstack(tf.random.split(seed, 2))
    windows, valid = _windows(tf.cast(shape, tf.float32), window_seed)
    overlaps = tf.where(centers_inside(objects, windows[:, tf.newaxis]), iou(windows, objects), -1.0)
    best = tf.where(valid, tf.reduce_max(overlaps, axis=1), -1.0)  # Of no object, the maximum is -inf.
    fits = best >= tf.constant(LEAST_IOUS)[:, tf.newaxis]
    # The whole image is the last window, and the only one of the last choice.
    fits = tf.pad(tf.pad(fits, [[0, 1], [0, 0]]), [[0, 0], [0, 1]])
    is_last = tf.range(tf.shape(fits)[0])[:, tf.newaxis] == len(LEAST_IOUS)
    fits |= is_last & (tf.range(tf.shape(fits)[1]) == TRIALS)
    choices = tf.random.experimental.stateless_shuffle(tf.range(len(LEAST_IOUS) + 1), order_seed)
    fits = tf.cast(tf.gather(fits, choices), tf.int32)
    chosen = tf.argmax(fits[tf.argmax(tf.reduce_max(fits, axis=1))])
    whole = tf.concat([[0, 0], shape[::-1]], axis=0)
    return tf.gather(tf.concat([tf.cast(windows, tf.int32), [whole]], axis=0), chosen)


def centers_inside(boxes: tf.Tensor, windows: tf.Tensor) -> tf.Tensor:
    """Returns whether the centers of boxes (..., 4) that have an area are inside of windows (..., 4): bool (...)."""
    centers = (boxes[..., :2] + boxes[..., 2:]) / 2
    has_area = tf.reduce_all(boxes[..., 2:] > boxes[..., :2], axis=-1)
    return has_area & tf.reduce_all((centers > windows[..., :2]) & (centers < windows[..., 2:]), axis=-1)


def _windows(shape, seed):
    """Returns (TRIALS, 4) float32 of whole pixels, and whether their shapes are allowed."""
    side_seed, corner_seed = tf.unstack(tf.random.split(seed, 2))
    size = shape[::-1]  # width and height
    sides = tf.floor(size * tf.random.stateless_uniform([TRIALS, 2], side_seed, *SIDES))
    corners = tf.floor((size - sides) * tf.random.stateless_uniform([TRIALS, 2], corner_seed))
    ratios = sides[:, 0] / tf.maximum(sides[:, 1], 1)
    valid = tf.reduce_all(sides > 0, axis=1) & (ratios >= ASPECT_RATIOS[0]) & (ratios <= ASPECT_RATIOS[1])
    return tf.concat([corners, corners + sides], axis=1), valid
