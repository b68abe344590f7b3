"""Final detections, from classified regions."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_resnets.ops import boxes
from keras_resnets.ops.box_voting import box_voting
from keras_resnets.ops.nms import nms, nms_by_class
from keras_resnets.values import FRACTION, POSITIVE, POSITIVE_INTEGER, list_of

BEST = 1024  # pairs of a region and a class that are compared all at once
PADDING = -1  # the class of padding in detections, and the class and the box of padding in targets


@keras.saving.register_keras_serializable(package="keras_resnets")
class Detections(keras.layers.Layer):
    """The output of a detector (Fast R-CNN, arXiv 1504.08083, sections 2.2 and 4.1).

    Each region is moved by the deltas of each class and clipped to the image. Non-maximum suppression is applied class
    by class, and the detections with the highest scores of all classes are kept. Everything is float32 under any dtype
    policy.

    Inputs: `scores` (B, R, K), non-negative, of the classes without the background; `deltas` (B, R, K, 4); `regions`
    (B, R, 4); `valid` (B, R) bool, False for padding; `image_shapes` (B, 2), the height and width of each image on its
    canvas.
    Output: a dict of `boxes` (B, D, 4) float32, `scores` (B, D) float32, falling, `classes` (B, D) int32, and
    `num_detections` (B,) int32. Padding has boxes and scores of zero and class -1.

    Args:
        score_threshold: detections have scores above this.
        iou_threshold: IoU threshold of non-maximum suppression.
        max_detections: D, the largest number of detections in an image.
        delta_stds: standard deviations by which the deltas are multiplied.
        voting_iou: IoU threshold of `keras_resnets.ops.box_voting.box_voting`; None for no box voting.

    Raises:
        ArgumentError: (a ValueError) for an argument that is out of range.
    """

    def __init__(
        self,
        score_threshold: float = 0.05,
        iou_threshold: float = 0.3,
        max_detections: int = 100,
        delta_stds: Sequence[float] = (0.1, 0.1, 0.2, 0.2),
        voting_iou: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        FRACTION.check("score_threshold", score_threshold)
        FRACTION.check("iou_threshold", iou_threshold)
        POSITIVE_INTEGER.check("max_detections", max_detections)
        list_of(POSITIVE, 4).check("delta_stds", tuple(delta_stds))
        if voting_iou is not None:
            FRACTION.check("voting_iou", voting_iou)
        self.score_threshold, self.iou_threshold = score_threshold, iou_threshold
        self.max_detections, self.delta_stds, self.voting_iou = max_detections, tuple(delta_stds), voting_iou

    def call(self, scores, deltas, regions, valid, image_shapes):
        scores = tf.cast(scores, tf.float32)
        # Comparisons with NaN are false.
        scores = tf.where(valid[..., tf.newaxis] & (scores > self.score_threshold), scores, 0.0)
        arguments = scores, deltas, regions, image_shapes
        if self.voting_iou is not None:
            return self._of_all(*arguments)
        best = self._of_best(*arguments)
        if scores.shape[1] * scores.shape[2] <= BEST:
            return best
        # Whether a box is kept depends on boxes with higher scores only: there may be more to find, or not.
        found_all = tf.math.count_nonzero(scores, axis=[1, 2]) <= BEST
        is_complete = tf.reduce_all(found_all | tf.equal(best["num_detections"], self.max_detections))
        return tf.cond(is_complete, lambda: best, lambda: self._of_all(*arguments))

    def _of_best(self, scores, deltas, regions, image_shapes):
        """Returns the output of the pairs of a region and a class with the highest scores, `BEST` of them."""
        count, classes = scores.shape[1:]
        # Sorted by class, as in `_of_all`, so that equal scores have the same order.
        by_class = tf.reshape(tf.transpose(scores, [0, 2, 1]), [-1, classes * count])
        scores, order = tf.math.top_k(by_class, min(BEST, classes * count))
        of_class, region = order // count, order % count
        deltas = tf.gather_nd(deltas, tf.stack([region, of_class], axis=-1), batch_dims=1)
        moved = boxes.decode(deltas, tf.gather(regions, region, batch_dims=1), self.delta_stds)
        moved = boxes.clip(moved, image_shapes)
        kept, valid = nms_by_class(moved, of_class, scores > 0, self.iou_threshold, self.max_detections)
        detected, scores, of_class = (tf.gather(tensor, kept, batch_dims=1) for tensor in (moved, scores, of_class))
        return _output(detected, scores, of_class, valid)

    def _of_all(self, scores, deltas, regions, image_shapes):
        """Returns the output of all pairs, from non-maximum suppression for each class on its own."""
        candidates = boxes.decode(deltas, regions[:, :, tf.newaxis], self.delta_stds)
        batch = tf.shape(scores)[0]
        count, classes = scores.shape[1:]

        # From here on, shapes are (B * K, R): each class of each image is on its own.
        def by_class(tensor):
            return tf.reshape(tf.experimental.numpy.moveaxis(tensor, 2, 1), [batch * classes, count, *tensor.shape[3:]])

        shapes = tf.repeat(image_shapes, classes, axis=0)
        scores, order = tf.math.top_k(by_class(scores), count)
        candidates = tf.gather(boxes.clip(by_class(candidates), shapes), order, batch_dims=1)
        limit = min(self.max_detections, count)
        kept, valid = nms(candidates, scores > 0, self.iou_threshold, limit)
        detected = tf.gather(candidates, kept, batch_dims=1)
        if self.voting_iou is not None:
            detected = box_voting(detected, candidates, scores, self.voting_iou)
        scores = tf.where(valid, tf.gather(scores, kept, batch_dims=1), 0.0)
        scores, detected = (tf.reshape(t, [batch, classes * limit, *t.shape[2:]]) for t in (scores, detected))
        return self._best(scores, detected, limit)

    def _best(self, scores, candidates, per_class):
        """Returns the output for the candidates (B, K * per_class) of all classes, sorted by class."""
        count = min(self.max_detections, scores.shape[1])
        scores, order = tf.math.top_k(scores, count)
        missing = self.max_detections - count
        scores, order = (tf.pad(tensor, [[0, 0], [0, missing]]) for tensor in (scores, order))
        return _output(tf.gather(candidates, order, batch_dims=1), scores, order // per_class, scores > 0)

    def get_config(self):
        names = ["score_threshold", "iou_threshold", "max_detections", "delta_stds", "voting_iou"]
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _output(detected, scores, classes, valid):
    return {
        "boxes": tf.where(valid[..., tf.newaxis], detected, 0.0),
        "scores": tf.where(valid, scores, 0.0),
        "classes": tf.where(valid, classes, PADDING),
        "num_detections": tf.reduce_sum(tf.cast(valid, tf.int32), axis=1),
    }
