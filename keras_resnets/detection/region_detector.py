"""What two-stage detectors have in common: shared features, a network for each region, and how `fit` trains them.

Shapes: B images on canvases of H x W pixels, R regions of an image, K classes, D detections, G objects; boxes are
float32 [x1, y1, x2, y2] in pixels of the canvas, where the width is x2 - x1.
"""

import tensorflow as tf

from keras_resnets.detection.backbones import make_backbone
from keras_resnets.detection.base import BoxModel
from keras_resnets.detection.heads import region_networks
from keras_resnets.detection.region_losses import padded_targets, region_losses, sample_regions
from keras_resnets.detection.scales import choose_scales
from keras_resnets.errors import ArgumentError
from keras_resnets.layers.detections import Detections
from keras_resnets.layers.region_layer import RegionLayer
from keras_resnets.layers.roi_align import RoIAlign
from keras_resnets.layers.roi_pooling import RoIPooling
from keras_resnets.ops import boxes
from keras_resnets.ops.resize import scaled

ROI_POOLING = {"max": RoIPooling, "align": RoIAlign}


class RegionDetector(BoxModel):
    """A detector that classifies regions of shared features; its subclasses differ in where regions come from.

    A subclass has what `BoxModel` asks for and, for parts beside the trunk and the head, `_make_parts`.

    Arguments, attributes and errors: see `keras_resnets.FasterRCNN`.
    """

    def __init__(self, num_classes, backbone, weights, roi_pooling, normalization, name, options):
        _check_roi_pooling(roi_pooling)
        super().__init__(num_classes, backbone, weights, normalization, name, options, roi_pooling=roi_pooling)
        parts = make_backbone(backbone, self.options.dropout_rate)
        self.trunk = parts.trunk
        self._make_parts(parts.stride)
        self.roi_pooling = self._make_roi_pooling(roi_pooling, parts)
        self.region_network, self.head = region_networks(parts, self._pooled_shape(), self.options, num_classes)
        self.detections = Detections(
            self.options.score_threshold,
            self.options.nms_threshold,
            self.options.max_detections,
            self.options.delta_stds,
            self.options.voting_iou,
            name="detections",
        )
        self._finish(backbone, weights)

    def _make_parts(self, stride):
        """Makes what a detector has beside the trunk and the head, for a trunk of this stride."""

    def _make_roi_pooling(self, roi_pooling, parts):
        if isinstance(roi_pooling, str):
            pool_size = self.options.pool_size or parts.pool_size
            roi_pooling = ROI_POOLING[roi_pooling](pool_size, parts.stride, name="roi_pooling")
        if self.options.head is None:
            parts.check_pool_size(roi_pooling.pool_size)
        if roi_pooling.stride != parts.stride:
            raise ArgumentError(
                f"roi_pooling has stride={roi_pooling.stride}, and the trunk's is {parts.stride}: make it with that."
            )
        return roi_pooling

    def _pooled_shape(self):
        """Returns the shape of one region's pooled features."""
        map_shape = (1, 1, 1, self.trunk.output.shape[-1])
        return self.roi_pooling.compute_output_shape(map_shape, (1, 1, 4))[2:]

    def features(self, inputs, training=False):
        """Returns the trunk's features of the model's input: a list of (B, h, w, C), one for each of `scales`."""
        images, image_shapes = (tf.convert_to_tensor(inputs[name]) for name in ("images", "image_shapes"))
        images = self.normalization(images, image_shapes)
        return [self.trunk(scaled(images, scale), training=training) for scale in self.options.scales]

    def pool(self, features, regions, training=False):
        """Returns the features (B, R, ...) of regions (B, R, 4), in pixels of the image that `features` are of."""
        return self.roi_pooling(features, regions)

    def pool_scales(self, features, regions, training=False):
        """Returns the pooled features (B, R, S, ...) of regions (B, R, 4) at the S scales that suit each of them."""
        scales = self.options.scales
        pooled = [self.pool(part, regions * scale, training) for part, scale in zip(features, scales)]
        if len(scales) == 1:
            return pooled[0][:, :, tf.newaxis]
        count = min(self.options.scales_per_region, len(scales))
        chosen = choose_scales(regions, scales, count, self.options.canonical_size)
        return tf.gather(tf.stack(pooled, axis=2), chosen, batch_dims=2)

    def region_features(self, pooled, training=False):
        """Returns features (B, R, ...) of pooled ones (B, R, S, ...), the largest of each region's scales."""
        count, scales = pooled.shape[1:3]
        features = self.region_network(tf.reshape(pooled, [-1, *pooled.shape[3:]]), training=training)
        return tf.reduce_max(tf.reshape(features, [-1, count, scales, *features.shape[1:]]), axis=2)

    def describe(self, features, pooled, image_shapes, training=False):
        """Returns what the head takes, (B, R, ...), of pooled features; with global context, the whole image's, too."""
        found = self.region_features(pooled, training)
        if not self.options.global_context:
            return found
        return tf.concat([found, self._context(features, found, image_shapes, training)], axis=-1)

    def classify(self, features, pooled, image_shapes, training=False):
        """Returns logits (B, R, K + 1), the background first, and deltas (B, R, K + 1, 4) of pooled features."""
        found = self.describe(features, pooled, image_shapes, training)
        logits, deltas = self.head(tf.reshape(found, [-1, *found.shape[2:]]), training=training)
        shape = [-1, found.shape[1], self.num_classes + 1]
        return tf.reshape(logits, shape), tf.reshape(deltas, [*shape, 4])

    def _context(self, features, region_features, image_shapes, training):
        """Returns the features of the whole image, as often as there are regions."""
        height, width = tf.unstack(tf.cast(image_shapes, tf.float32), axis=-1)
        whole = tf.stack([tf.zeros_like(width), tf.zeros_like(height), width, height], axis=-1)[:, tf.newaxis]
        context = self.region_features(self.pool_scales(features, whole, training), training)
        return tf.repeat(context, region_features.shape[1], axis=1)

    def score(self, features, regions, image_shapes, training=False):
        """Returns scores (B, R, K) from 0 on, and deltas (B, R, K, 4), of the classes without the background.

        Args:
            features: as `features` returns them.
            regions: (B, R, 4).
            image_shapes: (B, 2), the valid height and width.
            training: see `training_losses`.
        """
        return self.score_pooled(features, self.pool_scales(features, regions, training), image_shapes, training)

    def score_pooled(self, features, pooled, image_shapes, training=False):
        """As `score`, of what `pool_scales` returns."""
        return self.softmax_scores(features, pooled, image_shapes, training)

    def softmax_scores(self, features, pooled, image_shapes, training=False):
        """As `score_pooled`, by the softmax of the head."""
        logits, deltas = self.classify(features, pooled, image_shapes, training)
        return tf.nn.softmax(tf.cast(logits, tf.float32))[..., 1:], deltas[:, :, 1:]

    def detect(self, features, regions, exists, image_shapes, training=False):
        """Returns the model's output for features of an image and regions (B, R, 4) that exist (B, R), or do not."""

        def score(regions):
            return self.score(features, regions, image_shapes, training)

        return self.detect_by(score, regions, exists, image_shapes)

    def detect_by(self, score, regions, exists, image_shapes):
        """As `detect`, of what a function of regions returns in place of `score`."""
        scores, deltas = score(regions)
        if self.options.box_refinement:
            refined = self._corrected(scores, deltas, regions, image_shapes)
            again = *score(refined), refined, exists & (boxes.areas(refined) > 0)
            scores, deltas, regions, exists = (
                tf.concat(both, axis=1) for both in zip((scores, deltas, regions, exists), again)
            )
        return self.detections(scores, deltas, regions, exists, image_shapes)

    def _corrected(self, scores, deltas, regions, image_shapes):
        """Returns the regions (B, R, 4), moved by the deltas of their likeliest class."""
        deltas = tf.gather(deltas, tf.argmax(scores, axis=-1), batch_dims=2)
        weights = [1 / std for std in self.options.delta_stds]
        return boxes.clip(boxes.decode(deltas, regions, weights), image_shapes)

    def region_losses(self, features, proposals, exists, inputs, targets, seeds, training=True):
        """Returns the terms of the loss of regions that are sampled among proposals (B, R, 4) and the objects.

        Args:
            features: as `features` returns them.
            proposals: (B, R, 4).
            exists: (B, R) bool, whether there is a proposal.
            inputs, targets, seeds, training: see `training_losses`.
        """
        regions, sampled = sample_regions(self.options, proposals, exists, padded_targets(targets), seeds)
        pooled = self.pool_scales(features, regions, training)
        logits, deltas = self.classify(features, pooled, tf.convert_to_tensor(inputs["image_shapes"]), training)
        return region_losses(self.options, logits, deltas, sampled)


def _check_roi_pooling(roi_pooling):
    if not isinstance(roi_pooling, RegionLayer) and roi_pooling not in [*ROI_POOLING]:
        raise ArgumentError(
            f"roi_pooling={roi_pooling!r} is unknown: use {', '.join(map(repr, ROI_POOLING))}, or a layer such as "
            "keras_resnets.layers.RoIAlign(14, 16, aligned=False)."
        )
