"""Which object each anchor or proposal stands for (Faster R-CNN, arXiv 1506.01497, section 3.1.2)."""

import tensorflow as tf

BACKGROUND = -1
IGNORED = -2


def match(ious, is_object, foreground, background, best_per_object=False):
    """Gives each candidate the object that it overlaps most.

    Args:
        ious: (..., N, G) float32: of candidates and objects; of padding, anything.
        is_object: (..., G) bool, False for padding.
        foreground: IoU from which on a candidate stands for its object.
        background: IoU below which it is background; between the two it is ignored.
        best_per_object: whether the candidates of largest IoU with an object, all of them in a tie, stand for the
            object that they overlap most, however little that is (but not for nothing).

    Returns:
        (..., N) int32: the object's index, or BACKGROUND (all of them where there is no object), or IGNORED.
    """
    ious = tf.where(is_object[..., tf.newaxis, :], ious, 0.0)
    best = tf.reduce_max(ious, axis=-1)
    matches = tf.argmax(ious, axis=-1, output_type=tf.int32)
    stands = best >= foreground
    if best_per_object:
        best_of_object = tf.reduce_max(ious, axis=-2, keepdims=True)
        stands |= tf.reduce_any((ious == best_of_object) & (ious > 0), axis=-1)
    return tf.where(stands, matches, tf.where(best < background, BACKGROUND, IGNORED))
