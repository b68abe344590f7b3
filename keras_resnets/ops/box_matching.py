"""Matching of anchors or proposals with objects (Faster R-CNN, arXiv 1506.01497, section 3.1.2)."""

import tensorflow as tf

BACKGROUND = -1
IGNORED = -2


def match(
    ious: tf.Tensor, valid: tf.Tensor, foreground_iou: float, background_iou: float, best_per_object: bool = False
) -> tf.Tensor:
    """Matches each candidate with the object that it overlaps most.

    Args:
        ious: (..., N, G) float32, of candidates and objects. Those of padding do not matter.
        valid: (..., G) bool, False for padding.
        foreground_iou: a candidate is matched if its IoU is at least this.
        background_iou: a candidate is background if its IoU is less than this; between the two it is ignored.
        best_per_object: whether the candidates with the largest IoU with an object, including ties, are matched with
            the object that they overlap most, whatever their IoU, if it is positive.

    Returns:
        (..., N) int32: the index of the object, or BACKGROUND (also where there is no object), or IGNORED.
    """
    ious = tf.where(valid[..., tf.newaxis, :], ious, 0.0)
    best = tf.reduce_max(ious, axis=-1)
    matches = tf.argmax(ious, axis=-1, output_type=tf.int32)
    matched = best >= foreground_iou
    if best_per_object:
        best_of_object = tf.reduce_max(ious, axis=-2, keepdims=True)
        matched |= tf.reduce_any((ious == best_of_object) & (ious > 0), axis=-1)
    return tf.where(matched, matches, tf.where(best < background_iou, BACKGROUND, IGNORED))
