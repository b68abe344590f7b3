"""The training of a network that classifies regions: its samples and its losses.

Source: Fast R-CNN, arXiv 1504.08083, section 2.3. Shapes: see `keras_resnets.detection.region_detector`.
"""

from collections.abc import Mapping

import tensorflow as tf

from keras_resnets.detection.options import RegionOptions
from keras_resnets.layers.detections import PADDING
from keras_resnets.ops import boxes
from keras_resnets.ops.sampling import sample
from keras_resnets.ops.smooth_l1 import smooth_l1

LOSS_NAMES = ("region_class", "region_box")  # of `region_losses`


def padded_targets(targets: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Returns targets with one more row of padding, so that there is one at least.

    Args:
        targets: dict of `boxes` (B, G, 4) and `classes` (B, G), padded with -1, of any numeric dtypes.

    Returns:
        Dict of `boxes` (B, G + 1, 4) float32 and `classes` (B, G + 1) int32.
    """
    return {
        "boxes": tf.pad(tf.cast(targets["boxes"], tf.float32), [[0, 0], [0, 1], [0, 0]], constant_values=PADDING),
        "classes": tf.pad(tf.cast(targets["classes"], tf.int32), [[0, 0], [0, 1]], constant_values=PADDING),
    }


def sample_regions(
    options: RegionOptions,
    proposals: tf.Tensor,
    valid: tf.Tensor,
    targets: Mapping[str, tf.Tensor],
    seeds: tf.Tensor,
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Samples regions to learn from, from the proposals and the objects themselves.

    Args:
        options: the options of a detector.
        proposals: (B, R, 4).
        valid: (B, R) bool, False for padding.
        targets: dict of `boxes` (B, G, 4) and `classes` (B, G), padded with -1.
        seeds: (B, 2) integers.

    Returns:
        Regions (B, S, 4), where S is `roi_batch_size`, or R + G if that is less; and a dict of `labels` (B, S) int32, 0
        for background and class + 1 for objects, `objects` (B, S) int32, the index of the object with the largest IoU,
        `deltas` (B, S, 4), and `valid` (B, S) bool. Foreground comes first. None of these carries a gradient.
    """
    is_object = targets["classes"] >= 0
    regions = tf.stop_gradient(tf.concat([proposals, targets["boxes"]], axis=1))
    valid = tf.concat([valid, is_object], axis=1)
    ious = tf.where(is_object[:, tf.newaxis], boxes.iou(regions, targets["boxes"]), 0.0)
    best, objects = tf.reduce_max(ious, axis=-1), tf.argmax(ious, axis=-1, output_type=tf.int32)
    low, high = options.roi_background_iou
    foreground = valid & (best >= options.roi_foreground_iou)
    background = valid & (best >= low) & (best < high)
    sampled, valid = sample(
        foreground, background, options.roi_batch_size, options.roi_positive_fraction, seeds, stream=1
    )
    foreground, objects, regions = (tf.gather(t, sampled, batch_dims=1) for t in (foreground, objects, regions))
    true_boxes, classes = (tf.gather(targets[name], objects, batch_dims=1) for name in ("boxes", "classes"))
    return regions, {
        "labels": tf.where(foreground & valid, classes + 1, 0),
        "objects": objects,
        "deltas": boxes.encode(true_boxes, regions, options.delta_stds),
        "valid": valid,
    }


def region_losses(
    options: RegionOptions, logits: tf.Tensor, deltas: tf.Tensor, sampled: Mapping[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
    """Returns both losses, summed over the sampled regions and divided by B * roi_batch_size.

    Args:
        options: the options of a detector.
        logits: (B, S, K + 1) float32, the background first.
        deltas: (B, S, K + 1, 4) float32.
        sampled: the dict that `sample_regions` returns.

    Returns:
        Dict of float32 scalars: `region_class`, the cross entropy, and `region_box`, smooth L1 of the true class.
    """
    labels, valid = sampled["labels"], tf.cast(sampled["valid"], tf.float32)
    cross_entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits) * valid
    errors = tf.gather(deltas, labels, batch_dims=2) - sampled["deltas"]
    box_losses = tf.reduce_sum(smooth_l1(errors, options.roi_smooth_l1_beta), axis=-1) * tf.cast(labels > 0, tf.float32)
    normalizer = tf.cast(tf.shape(logits)[0] * options.roi_batch_size, tf.float32)
    return {
        "region_class": tf.reduce_sum(cross_entropy) / normalizer,
        "region_box": tf.reduce_sum(box_losses) / normalizer,
    }
