"""Greedy non-maximum suppression with outputs of static size."""

import numpy as np
import tensorflow as tf

from keras_resnets.ops.boxes import areas, iou

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


def nms_by_class(
    boxes: tf.Tensor, classes: tf.Tensor, valid: tf.Tensor, iou_threshold: float, limit: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """As `nms`, but only boxes of the same class overlap. Each box is compared with all others at once.

    A box is kept if no better box that is kept overlaps it. This is repeated, from all boxes on, until nothing changes;
    what is decided for the first n boxes stays, so the result is that of going through them one by one.

    Args:
        boxes, valid, iou_threshold, limit: see `nms`.
        classes: (B, N) integers.

    Returns:
        As `nms`.
    """
    valid &= areas(boxes) > 0
    # Operators compare Python objects in the graph of an export.
    overlap = (iou(boxes, boxes) > iou_threshold) & tf.equal(classes[:, :, tf.newaxis], classes[:, tf.newaxis])
    better = tf.linalg.band_part(tf.cast(overlap, tf.float32), 0, -1)  # [b, i, j] is for i <= j.
    better = tf.linalg.set_diag(better, tf.zeros(tf.shape(better)[:2]))
    valid = tf.cast(valid, tf.float32)

    def step(kept, _):
        suppressed = tf.linalg.matvec(better, kept, transpose_a=True) > 0
        again = tf.where(suppressed, 0.0, valid)
        return again, tf.reduce_any(tf.not_equal(again, kept))

    kept, _ = tf.while_loop(lambda _, changes: changes, step, [valid, tf.constant(True)])
    kept, indices = tf.math.top_k(kept, min(limit, boxes.shape[1]))
    missing = [[0, 0], [0, limit - kept.shape[1]]]
    return tf.pad(indices, missing), tf.pad(kept, missing) > 0
