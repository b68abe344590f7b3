"""Region proposals, from the outputs of a region proposal network."""

from typing import Any

import keras
import tensorflow as tf

from keras_resnets.deprecation import accepts_old_names, with_new_names
from keras_resnets.ops import boxes
from keras_resnets.ops.nms import nms
from keras_resnets.values import FRACTION, NON_NEGATIVE, POSITIVE_INTEGER

OLD_NAMES = {"before_nms": "pre_nms_topk", "after_nms": "post_nms_topk"}  # which the next release does not accept


@keras.saving.register_keras_serializable(package="keras_resnets")
class Proposals(keras.layers.Layer):
    """The best boxes of a region proposal network (Faster R-CNN, arXiv 1506.01497, section 3.3).

    Anchors are moved by their deltas and clipped to the image. Small boxes are dropped, the top-scoring ones go to
    non-maximum suppression, and the top-scoring ones that it keeps are the proposals. Proposals carry no gradient, and
    are float32 under any dtype policy.

    Inputs: `logits` (B, A), `deltas` (B, A, 4), `anchors` (A, 4), `image_shapes` (B, 2), the height and width of each
    image on its canvas.
    Outputs: boxes (B, R, 4) float32, padded with zeros, and a mask (B, R) bool of the valid ones.

    Args:
        pre_nms_topk: number of top-scoring boxes kept before non-maximum suppression.
        post_nms_topk: R, number of top-scoring boxes kept after it.
        iou_threshold: IoU threshold of non-maximum suppression.
        min_size: smallest width and height, in pixels. A box without area is dropped in any case.

    Raises:
        ArgumentError: (a ValueError) for an argument that is out of range.
    """

    @accepts_old_names(OLD_NAMES)
    def __init__(
        self, pre_nms_topk: int, post_nms_topk: int, iou_threshold: float = 0.7, min_size: float = 0.0, **kwargs: Any
    ):
        super().__init__(autocast=False, **kwargs)
        POSITIVE_INTEGER.check("pre_nms_topk", pre_nms_topk)
        POSITIVE_INTEGER.check("post_nms_topk", post_nms_topk)
        FRACTION.check("iou_threshold", iou_threshold)
        NON_NEGATIVE.check("min_size", min_size)
        self.pre_nms_topk, self.post_nms_topk = pre_nms_topk, post_nms_topk
        self.iou_threshold, self.min_size = iou_threshold, min_size

    def call(self, logits, deltas, anchors, image_shapes):
        logits, deltas = (tf.stop_gradient(tf.cast(tensor, tf.float32)) for tensor in (logits, deltas))
        candidates = boxes.clip(boxes.decode(deltas, anchors), image_shapes)
        sides = candidates[..., 2:] - candidates[..., :2]
        # Comparisons with NaN are false.
        valid = tf.reduce_all(sides >= self.min_size, axis=-1) & (logits > logits.dtype.min)
        count = self.pre_nms_topk if logits.shape[1] is None else min(self.pre_nms_topk, logits.shape[1])
        scores, order = tf.math.top_k(tf.where(valid, logits, logits.dtype.min), count)
        candidates = tf.gather(candidates, order, batch_dims=1)
        kept, valid = nms(candidates, scores > scores.dtype.min, self.iou_threshold, self.post_nms_topk)
        proposals = tf.gather(candidates, kept, batch_dims=1)
        return tf.where(valid[..., tf.newaxis], proposals, 0.0), valid

    def get_config(self):
        names = ["pre_nms_topk", "post_nms_topk", "iou_threshold", "min_size"]
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}

    @classmethod
    def from_config(cls, config):
        return cls(**with_new_names(config, OLD_NAMES))
