"""The region proposal network and its losses (Faster R-CNN, arXiv 1506.01497, section 3.1).

Shapes: B images, A anchors of an image, G objects.
"""

from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

from keras_resnets.detection.options import AnchorOptions
from keras_resnets.layers.anchor_generator import AnchorGenerator
from keras_resnets.ops import boxes
from keras_resnets.ops.box_matching import BACKGROUND, IGNORED, match
from keras_resnets.ops.sampling import sample
from keras_resnets.ops.smooth_l1 import smooth_l1


def anchor_generator(options: AnchorOptions, strides: Sequence[int]) -> AnchorGenerator:
    """Returns the layer that makes the anchors of a model, for a map of this stride in pixels."""
    (stride,) = strides
    conventions = options.anchor_offset, options.anchor_rounding
    return AnchorGenerator(options.anchor_sizes, options.anchor_ratios, stride, *conventions, name="anchors")


def region_proposal_network(
    channels: int, anchors_per_cell: int, filters: int = 512, softmax: bool = False, convolutions: int = 1
) -> keras.Model:
    """Returns a model from features (B, H, W, channels) to logits (B, A) and deltas (B, A, 4), both float32.

    A = H * W * anchors_per_cell. The sigmoid of a logit is the probability of an object. The paper has a softmax of two
    scores for each anchor. Its probability of an object is the sigmoid of their difference, so the difference is the
    logit of such a network, with the same cross entropy.

    Args:
        channels: channels of the features.
        anchors_per_cell: k, the number of anchors of a cell.
        filters: filters of the 3x3 convolution. The paper has 256 for ZF and 512 for VGG; none is given for ResNets.
        softmax: whether `rpn_logits` has 2k channels, first k scores of the background and then k of objects, as in
            Caffe. If not, it has k.
        convolutions: number of 3x3 convolutions.
    """
    features = keras.Input((None, None, channels))

    def convolution(x, filters, kernel_size, name, **kwargs):
        initializer = keras.initializers.RandomNormal(stddev=0.01)
        return keras.layers.Conv2D(
            filters, kernel_size, padding="same", kernel_initializer=initializer, name=name, **kwargs
        )(x)

    x = features
    for number in range(1, convolutions + 1):
        x = convolution(x, filters, 3, "rpn_conv" if number == 1 else f"rpn_conv{number}", activation="relu")
    precise = keras.config.dtype_policy().variable_dtype
    logits = convolution(x, (1 + softmax) * anchors_per_cell, 1, "rpn_logits", dtype=precise)
    deltas = convolution(x, 4 * anchors_per_cell, 1, "rpn_deltas", dtype=precise)
    if softmax:
        background, objects = keras.ops.split(logits, 2, axis=-1)
        logits = keras.layers.Subtract(dtype=precise, name="rpn_log_odds")([objects, background])
    logits = keras.layers.Reshape((-1,), dtype=precise, name="rpn_logits_by_anchor")(logits)
    deltas = keras.layers.Reshape((-1, 4), dtype=precise, name="rpn_deltas_by_anchor")(deltas)
    return keras.Model(features, (logits, deltas), name="rpn")


def rpn_losses(
    options: AnchorOptions,
    logits: tf.Tensor,
    deltas: tf.Tensor,
    anchors: tf.Tensor,
    image_shapes: tf.Tensor,
    targets: Mapping[str, tf.Tensor],
    seeds: tf.Tensor,
) -> dict[str, tf.Tensor]:
    """Returns both losses, summed over the sampled anchors and divided by B * rpn_batch_size.

    The divisor is fixed, so that the mean of the replicas' losses is the loss on one device. (The paper divides the
    loss of boxes by the number of cells and multiplies it by 10, which is about the same.)

    Args:
        options, logits, deltas, anchors, image_shapes, targets, seeds: see `image_losses`.

    Returns:
        Dict of float32 scalars: `rpn_class`, the cross entropy, and `rpn_box`, smooth L1.
    """
    losses = image_losses(options, logits, deltas, anchors, image_shapes, targets, seeds)
    return {name: tf.reduce_mean(loss) for name, loss in losses.items()}


def image_losses(
    options: AnchorOptions,
    logits: tf.Tensor,
    deltas: tf.Tensor,
    anchors: tf.Tensor,
    image_shapes: tf.Tensor,
    targets: Mapping[str, tf.Tensor],
    seeds: tf.Tensor,
) -> dict[str, tf.Tensor]:
    """Returns both losses of each image, summed over its sampled anchors and divided by rpn_batch_size.

    Args:
        options: the options of a model.
        logits: (B, A), from the network.
        deltas: (B, A, 4), from the network.
        anchors: (A, 4).
        image_shapes: (B, 2), the height and width of each image on its canvas.
        targets: dict of `boxes` (B, G, 4) and `classes` (B, G), padded with -1.
        seeds: (B, 2) integers.

    Returns:
        Dict of (B,) float32, `rpn_class` and `rpn_box`.
    """
    matches = _matches(options, anchors, image_shapes, targets)
    size = options.rpn_batch_size
    sampled, valid = sample(matches >= 0, matches == BACKGROUND, size, options.rpn_positive_fraction, seeds)
    logits, deltas, matches = (tf.gather(tensor, sampled, batch_dims=1) for tensor in (logits, deltas, matches))
    foreground = tf.cast(valid & (matches >= 0), tf.float32)
    cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(foreground, logits) * tf.cast(valid, tf.float32)
    objects = tf.gather(targets["boxes"], tf.maximum(matches, 0), batch_dims=1)
    errors = deltas - boxes.encode(objects, tf.gather(anchors, sampled))
    box_losses = tf.reduce_sum(smooth_l1(errors, options.rpn_smooth_l1_beta), axis=-1) * foreground
    terms = {"rpn_class": cross_entropy, "rpn_box": box_losses}
    return {name: tf.reduce_sum(loss, axis=1) / size for name, loss in terms.items()}


def _matches(options, anchors, image_shapes, targets):
    """Returns the matches (B, A) int32 of the anchors: see `keras_resnets.ops.box_matching.match`."""
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
