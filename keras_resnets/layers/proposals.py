"""Region proposals: where there may be objects, from the outputs of a region proposal network."""

import keras
import tensorflow as tf

from keras_resnets.deprecation import with_new_names
from keras_resnets.ops import boxes
from keras_resnets.ops.nms import suppress

OLD_NAMES = {"before_nms": "pre_nms_topk", "after_nms": "post_nms_topk"}  # in files of an older version


@keras.saving.register_keras_serializable(package="keras_resnets")
class Proposals(keras.layers.Layer):
    """The best boxes of a region proposal network (Faster R-CNN, arXiv 1506.01497, section 3.3).

    Anchors are moved by their deltas and clipped to the image; small ones are dropped, the best are kept, and of those
    that overlap the best. Proposals carry no gradient, and are float32 in any precision.

    Inputs: `logits` (B, A), `deltas` (B, A, 4), `anchors` (A, 4), `image_shapes` (B, 2), the valid height and width.
    Outputs: boxes (B, R, 4) float32, padded with zeros; and (B, R) bool, whether there is a box.

    Args:
        pre_nms_topk: number of boxes that are compared, at most.
        post_nms_topk: R, the number of proposals, at most.
        iou_threshold: of non-maximum suppression.
        min_size: smallest width and height, in pixels; a box needs an area in any case.
    """

    def __init__(self, pre_nms_topk, post_nms_topk, iou_threshold=0.7, min_size=0.0, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.pre_nms_topk, self.post_nms_topk = pre_nms_topk, post_nms_topk
        self.iou_threshold, self.min_size = iou_threshold, min_size

    def call(self, logits, deltas, anchors, image_shapes):
        logits, deltas = (tf.stop_gradient(tf.cast(tensor, tf.float32)) for tensor in (logits, deltas))
        candidates = boxes.clip(boxes.decode(deltas, anchors), image_shapes)
        sides = candidates[..., 2:] - candidates[..., :2]
        # What is no number is never at least anything.
        possible = tf.reduce_all(sides >= self.min_size, axis=-1) & (logits > logits.dtype.min)
        count = self.pre_nms_topk if logits.shape[1] is None else min(self.pre_nms_topk, logits.shape[1])
        scores, order = tf.math.top_k(tf.where(possible, logits, logits.dtype.min), count)
        candidates = tf.gather(candidates, order, batch_dims=1)
        chosen, exists = suppress(candidates, scores > scores.dtype.min, self.iou_threshold, self.post_nms_topk)
        proposals = tf.gather(candidates, chosen, batch_dims=1)
        return tf.where(exists[..., tf.newaxis], proposals, 0.0), exists

    def get_config(self):
        names = ["pre_nms_topk", "post_nms_topk", "iou_threshold", "min_size"]
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}

    @classmethod
    def from_config(cls, config):
        return cls(**with_new_names(config, OLD_NAMES))
