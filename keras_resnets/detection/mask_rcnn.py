"""Mask R-CNN (He et al., 2017; arXiv 1703.06870): Faster R-CNN on a feature pyramid, with a mask for each detection.

Shapes: see `keras_resnets.detection.region_detector`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_resnets.detection.faster_rcnn import FasterRCNN
from keras_resnets.detection.mask_head import MASK_SIZE, POOL_SIZE, checked_masks, foreground, mask_head, mask_loss
from keras_resnets.detection.options import MaskRCNNOptions
from keras_resnets.detection.region_losses import padded_targets
from keras_resnets.errors import ArgumentError
from keras_resnets.layers.pyramid_layer import PyramidLayer
from keras_resnets.layers.pyramid_roi_align import PyramidRoIAlign
from keras_resnets.xla import is_for_xla


@keras.saving.register_keras_serializable(package="keras_resnets")
class MaskRCNN(FasterRCNN):
    """A detector that finds the pixels of objects as well.

    It is `keras_resnets.FasterRCNN` on a feature pyramid, with one more network of regions: in training it sees the
    sampled foreground, in inference the detections. It always has RoIAlign, on 14x14 bins.

    Input: as for `FasterRCNN`.
    Output: as for `FasterRCNN`, and `masks` (B, D, 28, 28) float32: the probability that the object is in a cell of its
    detection's box, and 0 for padding. `keras_resnets.ops.masks.paste_masks` puts them into images.

    Training: as for `FasterRCNN`, with one more entry of the targets, `masks` (B, G, M, M): the mask of each object in
    its box, 0 to 1, uint8 or floating, with any known M; `keras_resnets.ops.masks.crop_masks` makes them. What is there
    for padding does not matter. The loss has one more term, `mask`: the mean over the foreground regions of a batch and
    over their cells of the binary cross entropy of the true class's mask.

    An `Ensemble` uses its boxes only.

    Attributes:
        mask_head: `keras.Model` from pooled features (N, 14, 14, C) to logits (N, 28, 28, K + 1).

    Args:
        num_classes, backbone, weights, roi_pooling, normalization, name: as for `FasterRCNN`.
        neck: "fpn".
        **options: see below.

    Raises:
        ArgumentError: (a ValueError) for an argument that cannot work.
    """

    loss_names: tuple[str, ...] = (*FasterRCNN.loss_names, "mask")
    OPTIONS: type = MaskRCNNOptions

    def __init__(
        self,
        num_classes: int,
        backbone: str | keras.Model = "resnet101",
        weights: str | None = None,
        roi_pooling: str | PyramidLayer | None = None,
        normalization: Mapping[str, Any] | None = None,
        name: str = "mask_rcnn",
        neck: str = "fpn",
        **options: Any,
    ):
        if neck is None:
            raise ArgumentError("neck=None cannot be used: the mask head is for a feature pyramid. Leave it out.")
        super().__init__(num_classes, backbone, weights, roi_pooling, normalization, name, neck, **options)

    def _options_class(self, **others):
        return self.OPTIONS

    def _make_parts(self, parts):
        super()._make_parts(parts)
        options = self.options
        self.mask_pooling = PyramidRoIAlign(
            POOL_SIZE,
            parts.strides[:-1],
            aligned=options.roi_aligned,
            canonical_size=options.canonical_size,
            name="mask_pooling",
        )
        self.mask_head = mask_head(options.fpn_filters, options, self.num_classes)

    def detect(self, features, regions, valid, image_shapes, training=False):
        found = super().detect(features, regions, valid, image_shapes, training)
        return {**found, "masks": self.masks(features, found, training)}

    def masks(self, features: Sequence[tf.Tensor], found: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns the masks (B, D, 28, 28) float32 of detections, 0 for padding.

        Args:
            features: the result of `features`.
            found: dict of `boxes` (B, D, 4), `classes` (B, D) and `num_detections` (B,).
            training: see `training_losses`.
        """
        boxes, classes = found["boxes"], found["classes"]
        count = boxes.shape[1]
        if not is_for_xla():  # which needs static shapes; the images seldom have as many detections
            most = tf.maximum(tf.reduce_max(found["num_detections"]), 1)
            boxes, classes = boxes[:, :most], classes[:, :most]
        logits = self.mask_logits(features, boxes, training)
        of_class = tf.gather(logits, tf.maximum(classes, 0) + 1, axis=-1, batch_dims=2)
        masks = tf.where(classes[..., tf.newaxis, tf.newaxis] >= 0, tf.sigmoid(of_class), 0.0)
        masks = tf.pad(masks, [[0, 0], [0, count - tf.shape(masks)[1]], [0, 0], [0, 0]])
        return tf.ensure_shape(masks, [None, count, MASK_SIZE, MASK_SIZE])

    def mask_logits(self, features: Sequence[tf.Tensor], regions: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the logits (B, R, 28, 28, K + 1) float32 of the masks of regions (B, R, 4), the background first."""
        pooled = self.mask_pooling(features[self.options.scales.index(1)], regions)
        logits = self.mask_head(tf.reshape(pooled, [-1, *pooled.shape[2:]]), training=training)
        count = regions.shape[1] or tf.shape(regions)[1]
        return tf.cast(tf.reshape(logits, [-1, count, *logits.shape[1:]]), tf.float32)

    def sampled_losses(self, features, regions, sampled, inputs, targets, training=True):
        losses = super().sampled_losses(features, regions, sampled, inputs, targets, training)
        masks = checked_masks(targets)
        regions, sampled = foreground(self.options, regions, sampled)
        logits = self.mask_logits(features, regions, training)
        return {**losses, "mask": mask_loss(logits, regions, sampled, {**padded_targets(targets), "masks": masks})}
