"""Region proposals of a feature pyramid."""

import keras
import tensorflow as tf

from keras_resnets.layers.proposals import Proposals
from keras_resnets.ops import boxes
from keras_resnets.ops.nms import nms


@keras.saving.register_keras_serializable(package="keras_resnets")
class PyramidProposals(Proposals):
    """The best boxes of a region proposal network at all levels of a pyramid (FPN, arXiv 1612.03144, section 4.1).

    The top-scoring anchors of each level are moved by their deltas and clipped to the image, and small boxes are
    dropped. Non-maximum suppression is applied level by level, and the top-scoring boxes of all levels are the
    proposals. (The paper does not give this order; it is that of detectron2 and torchvision.)

    Inputs: lists with an entry for each level: `logits` (B, A), `deltas` (B, A, 4), `anchors` (A, 4), A known; and
    `image_shapes` (B, 2), the height and width of each image on its canvas.
    Outputs: see `keras_resnets.layers.Proposals`.

    Args:
        pre_nms_topk: number of top-scoring boxes of each level kept before non-maximum suppression.
        post_nms_topk: R, number of top-scoring boxes of all levels kept after it.
        iou_threshold, min_size: see `keras_resnets.layers.Proposals`.
    """

    def call(self, logits, deltas, anchors, image_shapes):
        best = [self._best(*level, image_shapes) for level in zip(logits, deltas, anchors)]
        # The levels are a part of the batch, so that one call suppresses in all of them.
        most = max(scores.shape[1] for _, scores in best)
        best = [(_padded(found, most, 0.0), _padded(scores, most, scores.dtype.min)) for found, scores in best]
        found, scores = (tf.stack(parts, axis=1) for parts in zip(*best))
        levels = len(best)
        candidates = tf.reshape(found, [-1, most, 4])
        scores = tf.reshape(scores, [-1, most])
        kept, valid = nms(candidates, scores > scores.dtype.min, self.iou_threshold, min(most, self.post_nms_topk))
        scores = tf.where(valid, tf.gather(scores, kept, batch_dims=1), scores.dtype.min)
        limit = levels * kept.shape[1]
        candidates = tf.reshape(tf.gather(candidates, kept, batch_dims=1), [-1, limit, 4])
        scores, order = tf.math.top_k(tf.reshape(scores, [-1, limit]), min(limit, self.post_nms_topk))
        proposals = _padded(tf.gather(candidates, order, batch_dims=1), self.post_nms_topk, 0.0)
        valid = _padded(scores, self.post_nms_topk, scores.dtype.min) > scores.dtype.min
        return tf.where(valid[..., tf.newaxis], proposals, 0.0), valid

    def _best(self, logits, deltas, anchors, image_shapes):
        """Returns the boxes (B, N, 4) of the top-scoring anchors of a level, and their scores (B, N), falling."""
        logits, deltas = (tf.stop_gradient(tf.cast(tensor, tf.float32)) for tensor in (logits, deltas))
        lowest = logits.dtype.min
        logits = tf.where(logits > lowest, logits, lowest)  # Comparisons with NaN are false.
        scores, order = tf.math.top_k(logits, min(self.pre_nms_topk, logits.shape[1]))
        deltas, anchors = tf.gather(deltas, order, batch_dims=1), tf.gather(anchors, order)
        found = boxes.clip(boxes.decode(deltas, anchors), image_shapes)
        large = tf.reduce_all(found[..., 2:] - found[..., :2] >= self.min_size, axis=-1)
        return found, tf.where(large, scores, lowest)


def _padded(tensor, size, value):
    """Returns a tensor (B, N, ...) with the rows up to `size`."""
    missing = [[0, 0], [0, size - tensor.shape[1]], *[[0, 0]] * (len(tensor.shape) - 2)]
    return tf.pad(tensor, missing, constant_values=value)
