"""Box voting: what non-maximum suppression drops corrects what it keeps (MR-CNN, arXiv 1505.01749, section 4.2)."""

import tensorflow as tf

from keras_resnets.ops.boxes import iou


def vote(kept, boxes, scores, iou_threshold):
    """Returns the means of the boxes around each one that was kept, weighted by their scores.

    Args:
        kept: (..., D, 4), chosen from `boxes`.
        boxes: (..., R, 4), of the same class.
        scores: (..., R), from 0 on.
        iou_threshold: the IoU with a kept box from which on a box votes; a kept box votes for itself.

    Returns:
        (..., D, 4) float32; a box that nobody votes for, such as padding, stays as it is.
    """
    weights = tf.where(iou(kept, boxes) >= iou_threshold, scores[..., tf.newaxis, :], 0.0)
    total = tf.reduce_sum(weights, axis=-1, keepdims=True)
    return tf.where(total > 0, tf.math.divide_no_nan(tf.matmul(weights, boxes), total), kept)
