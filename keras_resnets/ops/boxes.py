"""Arithmetic of boxes: float32 [x1, y1, x2, y2] in pixels, where the width is x2 - x1 (no "+1").

Shapes: N and M boxes; leading dimensions (...) broadcast, usually B for the batch.
"""

import math
from collections.abc import Sequence

import tensorflow as tf

# Deltas of width and height are clamped to what makes 16 pixels 1,000, so that exp cannot overflow.
LARGEST_LOG_SCALE = math.log(1000 / 16)
SMALLEST = 1e-6  # smallest side before a logarithm
UNIT_STDS = (1.0, 1.0, 1.0, 1.0)


def areas(boxes: tf.Tensor) -> tf.Tensor:
    """Returns the areas (...,) of boxes (..., 4); of boxes that end before they begin, 0."""
    sizes = tf.maximum(boxes[..., 2:] - boxes[..., :2], 0.0)
    return sizes[..., 0] * sizes[..., 1]


def iou(boxes: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    """Returns the intersections over unions (..., N, M) of boxes (..., N, 4) and others (..., M, 4); 0 for no area."""
    # Unstacked, so that no (..., N, M, 4) tensor is made.
    x1, y1, x2, y2 = (side[..., :, tf.newaxis] for side in tf.unstack(boxes, axis=-1))
    u1, v1, u2, v2 = (side[..., tf.newaxis, :] for side in tf.unstack(others, axis=-1))
    widths = tf.maximum(tf.minimum(x2, u2) - tf.maximum(x1, u1), 0.0)
    heights = tf.maximum(tf.minimum(y2, v2) - tf.maximum(y1, v1), 0.0)
    intersections = widths * heights
    unions = areas(boxes)[..., :, tf.newaxis] + areas(others)[..., tf.newaxis, :] - intersections
    return tf.math.divide_no_nan(intersections, unions)


def encode(boxes: tf.Tensor, references: tf.Tensor, stds: Sequence[float] = UNIT_STDS) -> tf.Tensor:
    """Returns what `decode` turns references into boxes with (R-CNN, arXiv 1311.2524, appendix C).

    Args:
        boxes: (..., 4), of positive size; what is encoded for other boxes is finite and means nothing.
        references: (..., 4), anchors or proposals of positive size.
        stds: standard deviations by which the four deltas are divided.

    Returns:
        (..., 4) float32: shifts of the centre in sizes of the reference, and logarithms of the change of size.
    """
    centers, sizes = _centers_and_sizes(references)
    target_centers, target_sizes = _centers_and_sizes(boxes)
    sizes, target_sizes = tf.maximum(sizes, SMALLEST), tf.maximum(target_sizes, SMALLEST)
    deltas = [(target_centers - centers) / sizes, tf.math.log(target_sizes / sizes)]
    return tf.concat(deltas, axis=-1) * _weights(stds)


def decode(deltas: tf.Tensor, references: tf.Tensor, stds: Sequence[float] = UNIT_STDS) -> tf.Tensor:
    """Applies deltas (..., 4), in units of `stds`, to references (..., 4), and returns boxes (..., 4) float32."""
    deltas = tf.cast(deltas, tf.float32) / _weights(stds)
    centers, sizes = _centers_and_sizes(references)
    centers = centers + deltas[..., :2] * sizes
    sizes = sizes * tf.exp(tf.minimum(deltas[..., 2:], LARGEST_LOG_SCALE))
    return tf.concat([centers - sizes / 2, centers + sizes / 2], axis=-1)


def clip(boxes: tf.Tensor, image_shapes: tf.Tensor) -> tf.Tensor:
    """Clips boxes (B, N, 4) to their images, of height and width (B, 2)."""
    limits = _limits(image_shapes)
    return tf.maximum(tf.minimum(boxes, tf.concat([limits, limits], axis=-1)), 0.0)


def inside(boxes: tf.Tensor, image_shapes: tf.Tensor) -> tf.Tensor:
    """Returns whether boxes (B, N, 4), or (N, 4) for all images, lie in their images: (B, N)."""
    return tf.reduce_all((boxes[..., :2] >= 0) & (boxes[..., 2:] <= _limits(image_shapes)), axis=-1)


def _limits(image_shapes):
    """The largest x and y (B, 1, 2) float32 of images of height and width (B, 2)."""
    return tf.cast(tf.reverse(image_shapes, axis=[-1]), tf.float32)[..., tf.newaxis, :]


def _weights(stds):
    """Returns the factors of the four deltas."""
    # Multiplies by 1 / std, as saved runs do, so that results stay equal bit for bit.
    return tf.constant([1 / std for std in stds])


def _centers_and_sizes(boxes):
    sizes = boxes[..., 2:] - boxes[..., :2]
    return boxes[..., :2] + sizes / 2, sizes
