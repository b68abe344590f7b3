"""Final detections: the classified regions that are left of each class."""

import keras
import tensorflow as tf

from keras_resnets.ops import boxes
from keras_resnets.ops.box_voting import vote
from keras_resnets.ops.nms import suppress

PADDING = -1  # the class where there is no detection


@keras.saving.register_keras_serializable(package="keras_resnets")
class Detections(keras.layers.Layer):
    """What a detector says of an image (Fast R-CNN, arXiv 1504.08083, sections 2.2 and 4.1).

    Every region is moved by the deltas of each class and clipped to the image; non-maximum suppression is done class
    by class, and the best of all classes are kept. Float32 in any precision.

    Inputs: `scores` (B, R, K) from 0 on, of the classes without the background; `deltas` (B, R, K, 4); `regions`
    (B, R, 4); `exists` (B, R) bool; `image_shapes` (B, 2), the valid height and width.
    Output: a dict of `boxes` (B, D, 4) float32, `scores` (B, D) float32, falling, `classes` (B, D) int32, and
    `num_detections` (B,) int32. Padding has boxes and scores of zero and the class -1.

    Args:
        score_threshold: a detection's score is larger.
        iou_threshold: of non-maximum suppression.
        max_detections: D, of an image, at most.
        delta_stds: what the deltas are multiplied by.
        voting_iou: from which IoU on the boxes of a class correct the one that is kept: see
            `keras_resnets.ops.box_voting.vote`; None for no voting.
    """

    def __init__(
        self,
        score_threshold=0.05,
        iou_threshold=0.3,
        max_detections=100,
        delta_stds=(0.1, 0.1, 0.2, 0.2),
        voting_iou=None,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        self.score_threshold, self.iou_threshold = score_threshold, iou_threshold
        self.max_detections, self.delta_stds, self.voting_iou = max_detections, tuple(delta_stds), voting_iou

    def call(self, scores, deltas, regions, exists, image_shapes):
        scores = tf.cast(scores, tf.float32)
        # What is no number is not larger than anything.
        possible = exists[..., tf.newaxis] & (scores > self.score_threshold)
        scores = tf.where(possible, scores, 0.0)
        weights = [1 / std for std in self.delta_stds]
        candidates = boxes.decode(deltas, regions[:, :, tf.newaxis], weights)
        batch, count, classes = tf.shape(scores)[0], *scores.shape[1:]

        # From here on (B * K, R): every class of every image is on its own.
        def by_class(tensor):
            return tf.reshape(tf.experimental.numpy.moveaxis(tensor, 2, 1), [batch * classes, count, *tensor.shape[3:]])

        shapes = tf.repeat(image_shapes, classes, axis=0)
        scores, order = tf.math.top_k(by_class(scores), count)
        candidates = tf.gather(boxes.clip(by_class(candidates), shapes), order, batch_dims=1)
        limit = min(self.max_detections, count)
        chosen, kept = suppress(candidates, scores > 0, self.iou_threshold, limit)
        detected = tf.gather(candidates, chosen, batch_dims=1)
        if self.voting_iou is not None:
            detected = vote(detected, candidates, scores, self.voting_iou)
        scores = tf.where(kept, tf.gather(scores, chosen, batch_dims=1), 0.0)
        return self._best(*(tf.reshape(t, [batch, classes * limit, *t.shape[2:]]) for t in (scores, detected)), limit)

    def _best(self, scores, candidates, per_class):
        """Returns the output for all classes' candidates (B, K * per_class), those of a class after each other."""
        count = min(self.max_detections, scores.shape[1])
        scores, order = tf.math.top_k(scores, count)
        missing = self.max_detections - count
        scores, order = (tf.pad(tensor, [[0, 0], [0, missing]]) for tensor in (scores, order))
        found = scores > 0
        return {
            "boxes": tf.where(found[..., tf.newaxis], tf.gather(candidates, order, batch_dims=1), 0.0),
            "scores": scores,
            "classes": tf.where(found, order // per_class, PADDING),
            "num_detections": tf.reduce_sum(tf.cast(found, tf.int32), axis=1),
        }

    def get_config(self):
        names = ["score_threshold", "iou_threshold", "max_detections", "delta_stds", "voting_iou"]
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
