"""The region proposal network, and what it learns (Faster R-CNN, arXiv 1506.01497, section 3.1)."""

import keras
import tensorflow as tf

from keras_resnets.ops import boxes
from keras_resnets.ops.box_matching import BACKGROUND, IGNORED, match
from keras_resnets.ops.sampling import sample
from keras_resnets.ops.smooth_l1 import smooth_l1


def region_proposal_network(channels, anchors_per_cell, filters=512, softmax=False):
    """Returns a `keras.Model` from features (B, H, W, channels) to logits (B, A) and deltas (B, A, 4), both float32.

    A = H * W * anchors_per_cell. A logit is that of a sigmoid, the probability of an object. The paper has a softmax of
    two scores for each anchor instead: its probability of an object is the sigmoid of their difference, and its cross
    entropy that of this sigmoid, so that the difference is the logit of such a network.

    Args:
        channels: of the features.
        anchors_per_cell: k.
        filters: of the 3x3 convolution: the paper has 256 for ZF and 512 for VGG, and says nothing of ResNets.
        softmax: whether `rpn_logits` has 2k channels, k scores of the background and then k of objects, as in Caffe;
            otherwise k.
    """
    features = keras.Input((None, None, channels))

    def convolution(x, filters, kernel_size, name, **kwargs):
        initializer = keras.initializers.RandomNormal(stddev=0.01)
        return keras.layers.Conv2D(
            filters, kernel_size, padding="same", kernel_initializer=initializer, name=name, **kwargs
        )(x)

    x = convolution(features, filters, 3, "rpn_conv", activation="relu")
    precise = keras.config.dtype_policy().variable_dtype
    logits = convolution(x, (1 + softmax) * anchors_per_cell, 1, "rpn_logits", dtype=precise)
    deltas = convolution(x, 4 * anchors_per_cell, 1, "rpn_deltas", dtype=precise)
    if softmax:
        background, objects = keras.ops.split(logits, 2, axis=-1)
        logits = keras.layers.Subtract(dtype=precise, name="rpn_log_odds")([objects, background])
    logits = keras.layers.Reshape((-1,), dtype=precise, name="rpn_logits_by_anchor")(logits)
    deltas = keras.layers.Reshape((-1, 4), dtype=precise, name="rpn_deltas_by_anchor")(deltas)
    return keras.Model(features, (logits, deltas), name="rpn")


def rpn_losses(options, logits, deltas, anchors, image_shapes, targets, seeds):
    """Returns both losses, summed over the sampled anchors and divided by B * rpn_batch_size.

    The divisor is fixed, so that the losses of replicas have the mean that one device's loss would have. (The paper
    divides the loss of boxes by the number of cells and multiplies it by 10, which is about the same.)

    Args:
        options, logits, deltas, anchors, image_shapes, targets, seeds: see `image_losses`.

    Returns:
        Dict of float32 scalars, `rpn_class` (cross entropy) and `rpn_box` (smooth L1).
    """
    losses = image_losses(options, logits, deltas, anchors, image_shapes, targets, seeds)
    return {name: tf.reduce_mean(loss) for name, loss in losses.items()}


def image_losses(options, logits, deltas, anchors, image_shapes, targets, seeds):
    """Returns the losses of each image, summed over its sampled anchors and divided by rpn_batch_size.

    Args:
        options: an `AnchorOptions`.
        logits, deltas: of the network, (B, A) and (B, A, 4).
        anchors: (A, 4).
        image_shapes: (B, 2).
        targets: dict of `boxes` (B, G, 4) and `classes` (B, G), -1 for padding.
        seeds: (B, 2) integers.

    Returns:
        Dict of (B,) float32, `rpn_class` and `rpn_box`.
    """
    matches = _matches(options, anchors, image_shapes, targets)
    size, share = options.rpn_batch_size, options.rpn_positive_fraction
    sampled, counts = sample(matches >= 0, matches == BACKGROUND, size, share, seeds)
    logits, deltas, matches = (tf.gather(tensor, sampled, batch_dims=1) for tensor in (logits, deltas, matches))
    foreground = tf.cast(counts & (matches >= 0), tf.float32)
    cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(foreground, logits) * tf.cast(counts, tf.float32)
    objects = tf.gather(targets["boxes"], tf.maximum(matches, 0), batch_dims=1)
    errors = deltas - boxes.encode(objects, tf.gather(anchors, sampled))
    box_losses = tf.reduce_sum(smooth_l1(errors, options.rpn_smooth_l1_beta), axis=-1) * foreground
    terms = {"rpn_class": cross_entropy, "rpn_box": box_losses}
    return {name: tf.reduce_sum(loss, axis=1) / size for name, loss in terms.items()}


def _matches(options, anchors, image_shapes, targets):
    """Returns (B, A) int32: see `matching.match`."""
    ious = boxes.iou(anchors, targets["boxes"])
    inside = boxes.inside(anchors, image_shapes)
    counted = tf.ones_like(inside) if options.cross_boundary_anchors else inside
    matches = match(
        tf.where(counted[..., tf.newaxis], ious, 0.0),
        targets["classes"] >= 0,
        options.rpn_foreground_iou,
        options.rpn_background_iou,
        best_per_object=True,
    )
    return tf.where(counted, matches, IGNORED)
