"""Greedy non-maximum suppression with outputs of static size."""

import numpy as np
import tensorflow as tf

from keras_resnets.ops.boxes import areas

TILE = 512  # boxes that are compared at once


def nms(boxes: tf.Tensor, valid: tf.Tensor, iou_threshold: float, limit: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Keeps the best of overlapping boxes. It compiles under XLA.

    Args:
        boxes: (B, N, 4) float32, sorted by falling score.
        valid: (B, N) bool. Boxes that are not valid are dropped, as are boxes without area or with NaN.
        iou_threshold: a box is dropped if its IoU with a better box that is kept is larger than this.
        limit: largest number of boxes to keep.

    Returns:
        Indices (B, limit) int32 of the kept boxes, in their order, and a mask (B, limit) bool of the valid ones.
    """
    # TensorFlow's function takes boxes of zeros for dropped ones, and drops at the threshold, not only above it.
    boxes = tf.where((valid & (areas(boxes) > 0))[..., tf.newaxis], boxes, 0.0)
    indices, counts = tf.image.non_max_suppression_padded(
        boxes,
        tf.zeros(tf.shape(boxes)[:2]),
        limit,
        float(np.nextafter(np.float32(iou_threshold), np.float32(2))),
        pad_to_max_output_size=True,
        sorted_input=True,
        canonicalized_coordinates=True,
        tile_size=min(TILE, boxes.shape[1] or TILE),
    )
    indices = tf.ensure_shape(indices, [boxes.shape[0], limit])
    return indices, tf.range(limit) < counts[:, tf.newaxis]
