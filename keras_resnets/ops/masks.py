"""Masks of objects: in their boxes, and in images.

Shapes: N or B, G masks of M x M cells, or of images of H x W pixels. Boxes are [x1, y1, x2, y2] in pixels.
"""

import tensorflow as tf

THRESHOLD = 0.5  # of a mask's probability (Mask R-CNN, arXiv 1703.06870, section 3.1)
SMALLEST = 1e-3  # pixels; smaller sides of boxes are taken for this, so that nothing is divided by zero


def resample(masks: tf.Tensor, old: tf.Tensor, new: tf.Tensor, size: int) -> tf.Tensor:
    """Returns masks in other boxes: each new cell has the mean of the part of the mask that it covers.

    A mask is 0 outside of its box.

    Args:
        masks: (..., h, w) of any numeric dtype, with known h and w. Cells have equal sizes, and fill the box.
        old: (..., 4), their boxes.
        new: (..., 4), the boxes of the result.
        size: M.

    Returns:
        (..., M, M) float32.
    """
    height, width = masks.shape[-2:]
    old, new = tf.cast(old, tf.float32), tf.cast(new, tf.float32)
    rows = _overlaps(old[..., 1::2], new[..., 1::2], height, size)
    columns = _overlaps(old[..., 0::2], new[..., 0::2], width, size)
    return tf.matmul(tf.matmul(rows, tf.cast(masks, tf.float32)), columns, transpose_b=True)


def _overlaps(old, new, count, size):
    """Returns the shares (..., size, count) of new cells that each of `count` old ones covers, along one side."""
    cell = tf.maximum(old[..., 1] - old[..., 0], SMALLEST) / count
    step = tf.maximum(new[..., 1] - new[..., 0], SMALLEST) / size
    low = (new[..., :1] - old[..., :1] + step[..., tf.newaxis] * tf.range(size, dtype=tf.float32))[..., tf.newaxis]
    cell, step = cell[..., tf.newaxis, tf.newaxis], step[..., tf.newaxis, tf.newaxis]
    edges = cell * tf.range(count + 1, dtype=tf.float32)
    shared = tf.minimum(low + step, edges[..., 1:]) - tf.maximum(low, edges[..., :-1])
    return tf.maximum(shared, 0.0) / step


def crop_masks(masks: tf.Tensor, boxes: tf.Tensor, size: int = 112) -> tf.Tensor:
    """Returns the masks of objects in their boxes, as `keras_resnets.MaskRCNN` learns from them.

    Args:
        masks: (G, H, W) of images, 0 or 1, of any numeric dtype, with known H and W.
        boxes: (G, 4).
        size: M. A mask head of 28x28 cells loses little where M is a few times as many.

    Returns:
        (G, M, M) uint8, 1 in cells of which the object fills half at least.
    """
    height, width = masks.shape[-2:]
    whole = tf.broadcast_to(tf.constant([0, 0, width, height], tf.float32), tf.shape(boxes))
    return _binary(resample(masks, whole, boxes, size))


def paste_masks(masks: tf.Tensor, boxes: tf.Tensor, height: int | tf.Tensor, width: int | tf.Tensor) -> tf.Tensor:
    """Puts masks of boxes into their images.

    As in torchvision and Detectron, a mask gets a frame of zeros, its box is enlarged accordingly and rounded towards
    zero, and the mask is interpolated bilinearly. One mask after another is pasted, since as float32 all of them would
    need four times the memory of the result.

    Args:
        masks: (B, D, M, M) floating, probabilities.
        boxes: (B, D, 4), in pixels of the image.
        height, width: H and W.

    Returns:
        (B, D, H, W) uint8, 1 where the probability is at least 0.5.
    """
    framed = tf.pad(masks, [[0, 0], [0, 0], [1, 1], [1, 1]])
    size, shape = framed.shape[-1], tf.shape(masks)
    middle, half = (boxes[..., :2] + boxes[..., 2:]) / 2, (boxes[..., 2:] - boxes[..., :2]) / 2 * size / (size - 2)
    corners = tf.cast(tf.cast(tf.concat([middle - half, middle + half], axis=-1), tf.int32), tf.float32)

    def paste(given):
        mask, corners = given
        rows = _interpolation(corners[1], corners[3], size, height)
        columns = _interpolation(corners[0], corners[2], size, width)
        return _binary(tf.matmul(tf.matmul(rows, mask), columns, transpose_b=True))

    flat = tf.reshape(framed, [-1, size, size]), tf.reshape(corners, [-1, 4])
    pasted = tf.map_fn(paste, flat, fn_output_signature=tf.uint8)
    pasted = tf.reshape(pasted, [shape[0], shape[1], height, width])
    sides = [side if isinstance(side, int) else None for side in (height, width)]
    return tf.ensure_shape(pasted, [*masks.shape[:2], *sides])


def _interpolation(first, last, size, count):
    """Returns the weights (count, size) of a mask's cells for pixels along one side, from pixel `first` to `last`."""
    pixels = tf.range(count, dtype=tf.float32)[:, tf.newaxis]
    places = (pixels - first + 0.5) * (size / tf.maximum(last - first + 1, 1)) - 0.5
    places = tf.clip_by_value(places, 0.0, size - 1)
    weights = tf.maximum(1 - tf.abs(places - tf.range(size, dtype=tf.float32)), 0.0)
    return tf.where((pixels >= first) & (pixels <= tf.maximum(first, last)), weights, 0.0)


def _binary(masks):
    return tf.cast(masks >= THRESHOLD, tf.uint8)
