"""Greedy non-maximum suppression of static size."""

import numpy as np
import tensorflow as tf

from keras_resnets.ops.boxes import areas

TILE = 512  # boxes that are compared at once


def suppress(boxes, is_candidate, iou_threshold, limit):
    """Keeps the best of boxes that overlap.

    Args:
        boxes: (B, N, 4), in falling order of their scores.
        is_candidate: (B, N) bool; others, and boxes without area or with coordinates that are no numbers, are dropped.
        iou_threshold: a box is dropped whose IoU with a better one that is kept is larger.
        limit: number of boxes to keep at most.

    Returns:
        Indices (B, limit) int32 of the boxes that are kept, in their order; and (B, limit) bool, whether there is one.
    """
    # TensorFlow's function compiles under XLA, takes boxes of zeros for dropped ones, and drops from the threshold on.
    boxes = tf.where((is_candidate & (areas(boxes) > 0))[..., tf.newaxis], boxes, 0.0)
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
