"""Box voting: the boxes that non-maximum suppression drops correct those that it keeps."""

import tensorflow as tf

from keras_resnets.ops.boxes import iou


def box_voting(kept: tf.Tensor, boxes: tf.Tensor, scores: tf.Tensor, iou_threshold: float) -> tf.Tensor:
    """Replaces each kept box by the mean of the boxes around it, weighted by their scores.

    Source: MR-CNN, arXiv 1505.01749, section 4.2.

    Args:
        kept: (..., D, 4) float32, a subset of `boxes`.
        boxes: (..., R, 4) float32, of the same class.
        scores: (..., R) float32, non-negative.
        iou_threshold: a box votes for a kept box if their IoU is at least this; so a kept box votes for itself.

    Returns:
        (..., D, 4) float32. A box without votes, such as padding, does not change.
    """
    weights = tf.where(iou(kept, boxes) >= iou_threshold, scores[..., tf.newaxis, :], 0.0)
    total = tf.reduce_sum(weights, axis=-1, keepdims=True)
    return tf.where(total > 0, tf.math.divide_no_nan(tf.matmul(weights, boxes), total), kept)
