"""The mask head (Mask R-CNN, He et al., 2017; arXiv 1703.06870, figure 4 on the right) and its loss."""

import math
from collections.abc import Mapping

import keras
import tensorflow as tf

from keras_resnets.detection.checks import ASSERTION
from keras_resnets.detection.options import MaskRCNNOptions
from keras_resnets.errors import ArgumentError
from keras_resnets.layers.batch_normalization import BatchNormalization
from keras_resnets.ops.masks import resample

CONVOLUTIONS = 4
POOL_SIZE = 14  # bins on each side of a region
MASK_SIZE = 2 * POOL_SIZE


def mask_head(channels: int, options: MaskRCNNOptions, num_classes: int) -> keras.Model:
    """Makes the network that finds the masks of regions.

    Args:
        channels: of the pooled features.
        options: of the detector.
        num_classes: K.

    Returns:
        A model from pooled features (N, 14, 14, C) to logits (N, 28, 28, K + 1) float32, the background first, which is
        not used; torchvision's models have it, too.
    """
    inputs = x = keras.Input((POOL_SIZE, POOL_SIZE, channels))
    for number in range(1, CONVOLUTIONS + 1):
        x = _convolution(x, options, f"mask_conv{number}")
    x = keras.layers.Conv2DTranspose(
        options.mask_filters, 2, 2, activation="relu", kernel_initializer="he_normal", name="mask_deconv"
    )(x)
    precise = keras.config.dtype_policy().variable_dtype
    initializer = keras.initializers.RandomNormal(stddev=0.001)
    logits = keras.layers.Conv2D(num_classes + 1, 1, kernel_initializer=initializer, dtype=precise, name="mask_logits")(
        x
    )
    return keras.Model(inputs, logits, name="mask_head")


def _convolution(x, options, name):
    has_norm = options.mask_batch_norm
    x = keras.layers.Conv2D(
        options.mask_filters, 3, padding="same", use_bias=not has_norm, kernel_initializer="he_normal", name=name
    )(x)
    if has_norm:
        x = BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def foreground(
    options: MaskRCNNOptions, regions: tf.Tensor, sampled: Mapping[str, tf.Tensor]
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Returns the foreground of sampled regions, of a static number.

    An image with less foreground has some of it again, so that batch normalization sees nothing else, and an image
    without any has background; neither counts for the loss.

    Args:
        options: of the detector.
        regions: (B, S, 4).
        sampled: the dict that `keras_resnets.detection.region_losses.sample_regions` returns with them.

    Returns:
        Regions (B, F, 4), and a dict of `labels` (B, F) int32, 0 for what does not count, and `objects` (B, F) int32.
    """
    most = math.ceil(round(options.roi_batch_size * options.roi_positive_fraction, 6))
    places = tf.range(min(most, regions.shape[1]))
    counts = tf.math.count_nonzero(sampled["labels"], axis=1, keepdims=True, dtype=tf.int32)
    chosen = places % tf.maximum(counts, 1)  # The sample has its foreground first.
    regions, labels, objects = (
        tf.gather(tensor, chosen, batch_dims=1) for tensor in (regions, sampled["labels"], sampled["objects"])
    )
    return regions, {"labels": tf.where(places < counts, labels, 0), "objects": objects}


def mask_loss(
    logits: tf.Tensor, regions: tf.Tensor, sampled: Mapping[str, tf.Tensor], targets: Mapping[str, tf.Tensor]
) -> tf.Tensor:
    """Returns the mean binary cross entropy of the masks of the true classes, over the regions that count.

    The target of a cell is the share of it that the object fills. torchvision's is RoIAlign of the whole image's mask,
    which takes a pixel for a point in its upper left corner: half a pixel further to the lower right.

    Args:
        logits: (B, F, 28, 28, K + 1) float32.
        regions: (B, F, 4).
        sampled: the dict that `foreground` returns with them.
        targets: dict of `boxes` (B, G, 4) and `masks` (B, G, M, M), as `checked_masks` returns them.

    Returns:
        Float32 scalar, 0 if no region counts. Its divisor is the foreground of these images, as in torchvision and
        detectron2: other than of the other terms, the mean of several replicas' is not that of one device with all
        images, if they have unlike numbers of objects.
    """
    old, masks = (tf.gather(targets[name], sampled["objects"], batch_dims=1) for name in ("boxes", "masks"))
    expected = resample(masks, old, regions, logits.shape[2])
    logits = tf.gather(logits, sampled["labels"], axis=-1, batch_dims=2)
    errors = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(expected, logits), axis=[2, 3])
    counts = tf.cast(sampled["labels"] > 0, tf.float32)
    return tf.math.divide_no_nan(tf.reduce_sum(errors * counts), tf.reduce_sum(counts))


def checked_masks(targets: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Returns the masks of targets with one more row of padding, as `padded_targets` has one.

    Args:
        targets: dict of `boxes`, `classes` and `masks` (B, G, M, M).

    Returns:
        (B, G + 1, M, M), of the given dtype.

    Raises:
        ArgumentError: if there are no masks, or none of this shape. Values over 1 fail when the graph runs.
    """
    form = "(B, G, M, M), the mask of each object in its box, 0 to 1 (see keras_resnets.ops.masks.crop_masks)"
    if "masks" not in targets:
        raise ArgumentError(f"the targets have {', '.join(targets)}, but no masks: pass {form}.")
    masks, classes = (tf.convert_to_tensor(targets[name]) for name in ("masks", "classes"))
    if masks.shape.rank != 4 or masks.shape[2] != masks.shape[3] or None in masks.shape[2:]:
        raise ArgumentError(f"masks of the targets have the shape {masks.shape}: pass {form}.")
    if None not in (masks.shape[1], classes.shape[1]) and masks.shape[1] != classes.shape[1]:
        raise ArgumentError(f"masks of the targets are {masks.shape[1]} an image for {classes.shape[1]} classes.")
    largest = tf.where(classes >= 0, tf.cast(tf.reduce_max(masks, axis=[2, 3]), tf.float32), 0.0)
    message = f"{ASSERTION}masks of the targets must be from 0 to 1: divide them by 255 where they are images."
    with tf.control_dependencies([tf.debugging.assert_less_equal(largest, 1.0, message)]):
        return tf.pad(masks, [[0, 0], [0, 1], [0, 0], [0, 0]])
