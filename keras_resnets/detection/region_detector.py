"""What two-stage detectors share: the features of an image, the network that classifies its regions, and detections.

Shapes: B images on canvases of H x W pixels, R regions of an image, K classes, D detections, G objects, S scales. Boxes
are float32 [x1, y1, x2, y2] in pixels of the canvas, and their width is x2 - x1. A mask `valid` is False for padding.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_resnets.detection.backbones import Backbone, make_backbone
from keras_resnets.detection.base import BoxModel
from keras_resnets.detection.heads import region_networks
from keras_resnets.detection.region_losses import padded_targets, region_losses, sample_regions
from keras_resnets.errors import ArgumentError
from keras_resnets.layers.detections import Detections
from keras_resnets.ops import boxes
from keras_resnets.ops.resize import rescale


class RegionDetector(BoxModel):
    """A detector that classifies regions, and corrects their boxes.

    Its regions are the input's `proposals`, unless a subclass finds them itself. A subclass defines `loss_names` and
    `OPTIONS`, and implements `_make_roi_pooling`, and `_make_parts` if it has parts besides the trunk and the head.

    Arguments, attributes and errors: see `keras_resnets.FasterRCNN`.

    Attributes:
        trunk_sees_regions: whether the trunk runs in `pool_scales` on each region, not in `features` on the image.
    """

    trunk_sees_regions: bool = False

    def __init__(
        self,
        num_classes: int,
        backbone: str | keras.Model,
        weights: str | None,
        normalization: Mapping[str, Any] | None,
        name: str,
        options: Mapping[str, Any],
        **others: Any,
    ):
        super().__init__(num_classes, backbone, weights, normalization, name, options, **others)
        parts = self._cut(backbone)
        self.trunk = parts.trunk
        self._make_parts(parts)
        self.roi_pooling = self._make_roi_pooling(parts, **others)
        self.region_network, self.head = region_networks(parts, self._pooled_shape(), self.options, num_classes)
        self.detections = Detections(
            self.options.score_threshold,
            self.options.nms_threshold,
            self.options.max_detections,
            self.options.delta_stds,
            self.options.voting_iou,
            name="detections",
        )
        self._finish(backbone, parts, weights)

    def _cut(self, backbone: str | keras.Model) -> Backbone:
        """Returns the trunk, and maybe a network of regions, of a classification net."""
        return make_backbone(backbone, self.options.dropout_rate)

    def _make_parts(self, parts: Backbone) -> None:
        """Makes the parts besides the trunk and the head."""

    def _make_roi_pooling(self, parts: Backbone, **others: Any) -> keras.layers.Layer:
        """Returns the layer that pools regions; `others` are the arguments of the subclass alone."""
        raise NotImplementedError

    def _pooled_shape(self) -> tuple[int, ...]:
        """Returns the shape of the pooled features of one region."""
        return self.roi_pooling.compute_output_shape(self.trunk.output_shape, (1, 1, 4))[2:]

    def call(self, inputs, training=False):
        image_shapes = tf.convert_to_tensor(inputs["image_shapes"])
        return self.detect(self.features(inputs, training), *given_proposals(inputs), image_shapes, training)

    def training_losses(self, inputs, targets, seeds, training=True):
        features = self.features(inputs, training)
        return self.region_losses(features, *given_proposals(inputs), inputs, targets, seeds, training)

    def features(self, inputs: Mapping[str, tf.Tensor], training: bool = False) -> list[tf.Tensor]:
        """Returns the trunk's features of the model's input, a list with an entry for each of `scales`.

        An entry is a map (B, h, w, C), or the list of maps of a feature pyramid.
        """
        images, image_shapes = (tf.convert_to_tensor(inputs[name]) for name in ("images", "image_shapes"))
        images = self.normalization(images, image_shapes)
        return [self.trunk(rescale(images, scale), training=training) for scale in self.options.scales]

    def pool(self, features: tf.Tensor, regions: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the pooled features (B, R, ...) of regions (B, R, 4), at one scale."""
        return self.roi_pooling(features, regions)

    def pool_scales(self, features: Sequence[tf.Tensor], regions: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the pooled features (B, R, S, ...) of regions (B, R, 4), at the S scales that suit each of them."""
        scales = self.options.scales
        pooled = [self.pool(part, regions * scale, training) for part, scale in zip(features, scales)]
        if len(scales) == 1:
            return pooled[0][:, :, tf.newaxis]
        count = min(self.options.scales_per_region, len(scales))
        chosen = choose_scales(regions, scales, count, self.options.canonical_size)
        return tf.gather(tf.stack(pooled, axis=2), chosen, batch_dims=2)

    def region_features(self, pooled: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns region features (B, R, ...) of pooled features (B, R, S, ...): the maximum over the scales."""
        count, scales = pooled.shape[1:3]
        features = self.region_network(tf.reshape(pooled, [-1, *pooled.shape[3:]]), training=training)
        return tf.reduce_max(tf.reshape(features, [-1, count, scales, *features.shape[1:]]), axis=2)

    def head_features(
        self, features: Sequence[tf.Tensor], pooled: tf.Tensor, image_shapes: tf.Tensor, training: bool = False
    ) -> tf.Tensor:
        """Returns the head's input (B, R, ...): region features and, with global context, those of the whole image."""
        found = self.region_features(pooled, training)
        if not self.options.global_context:
            return found
        return tf.concat([found, self._context(features, found, image_shapes, training)], axis=-1)

    def _context(self, features, region_features, image_shapes, training):
        """Returns the features of the whole image, repeated for each region."""
        height, width = tf.unstack(tf.cast(image_shapes, tf.float32), axis=-1)
        whole = tf.stack([tf.zeros_like(width), tf.zeros_like(height), width, height], axis=-1)[:, tf.newaxis]
        context = self.region_features(self.pool_scales(features, whole, training), training)
        return tf.repeat(context, region_features.shape[1], axis=1)

    def classify(
        self, features: Sequence[tf.Tensor], pooled: tf.Tensor, image_shapes: tf.Tensor, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns logits (B, R, K + 1), the background first, and deltas (B, R, K + 1, 4) of pooled features."""
        found = self.head_features(features, pooled, image_shapes, training)
        logits, deltas = self.head(tf.reshape(found, [-1, *found.shape[2:]]), training=training)
        shape = [-1, found.shape[1], self.num_classes + 1]
        return tf.reshape(logits, shape), tf.reshape(deltas, [*shape, 4])

    def score(
        self, features: Sequence[tf.Tensor], regions: tf.Tensor, image_shapes: tf.Tensor, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns scores (B, R, K), non-negative, and deltas (B, R, K, 4), of the classes without the background.

        Args:
            features: the result of `features`.
            regions: (B, R, 4).
            image_shapes: (B, 2), the height and width of each image on its canvas.
            training: see `training_losses`.
        """
        return self.score_pooled(features, self.pool_scales(features, regions, training), image_shapes, training)

    def score_pooled(
        self, features: Sequence[tf.Tensor], pooled: tf.Tensor, image_shapes: tf.Tensor, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """As `score`, on the result of `pool_scales`."""
        return self.softmax_scores(features, pooled, image_shapes, training)

    def softmax_scores(
        self, features: Sequence[tf.Tensor], pooled: tf.Tensor, image_shapes: tf.Tensor, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """As `score_pooled`, by the softmax of the head."""
        logits, deltas = self.classify(features, pooled, image_shapes, training)
        return tf.nn.softmax(tf.cast(logits, tf.float32))[..., 1:], deltas[:, :, 1:]

    def detect(
        self,
        features: Sequence[tf.Tensor],
        regions: tf.Tensor,
        valid: tf.Tensor,
        image_shapes: tf.Tensor,
        training: bool = False,
    ) -> dict[str, tf.Tensor]:
        """Returns the model's output for the features of images and their regions (B, R, 4), valid ones (B, R)."""

        def score(regions):
            return self.score(features, regions, image_shapes, training)

        return self.detect_by(score, regions, valid, image_shapes)

    def detect_by(
        self,
        score: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]],
        regions: tf.Tensor,
        valid: tf.Tensor,
        image_shapes: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """As `detect`, with a function from regions to scores and deltas in place of `score`."""
        scores, deltas = score(regions)
        if self.options.box_refinement:
            refined = self._regressed(scores, deltas, regions, image_shapes)
            again = *score(refined), refined, valid & (boxes.areas(refined) > 0)
            scores, deltas, regions, valid = (
                tf.concat(both, axis=1) for both in zip((scores, deltas, regions, valid), again)
            )
        return self.detections(scores, deltas, regions, valid, image_shapes)

    def _regressed(self, scores, deltas, regions, image_shapes):
        """Returns the regions (B, R, 4), moved by the deltas of their most likely class."""
        deltas = tf.gather(deltas, tf.argmax(scores, axis=-1), batch_dims=2)
        return boxes.clip(boxes.decode(deltas, regions, self.options.delta_stds), image_shapes)

    def region_losses(
        self,
        features: Sequence[tf.Tensor],
        proposals: tf.Tensor,
        valid: tf.Tensor,
        inputs: Mapping[str, tf.Tensor],
        targets: Mapping[str, tf.Tensor],
        seeds: tf.Tensor,
        training: bool = True,
    ) -> dict[str, tf.Tensor]:
        """Returns the terms of the loss of regions, which are sampled from the proposals and the objects.

        Args:
            features: the result of `features`.
            proposals: (B, R, 4).
            valid: (B, R) bool, False for padding.
            inputs, targets, seeds, training: see `training_losses`.
        """
        regions, sampled = sample_regions(self.options, proposals, valid, padded_targets(targets), seeds)
        return self.sampled_losses(features, regions, sampled, inputs, targets, training)

    def sampled_losses(
        self,
        features: Sequence[tf.Tensor],
        regions: tf.Tensor,
        sampled: Mapping[str, tf.Tensor],
        inputs: Mapping[str, tf.Tensor],
        targets: Mapping[str, tf.Tensor],
        training: bool = True,
    ) -> dict[str, tf.Tensor]:
        """As `region_losses`, of regions (B, S, 4) that are sampled: see `sample_regions`."""
        pooled = self.pool_scales(features, regions, training)
        logits, deltas = self.classify(features, pooled, tf.convert_to_tensor(inputs["image_shapes"]), training)
        return region_losses(self.options, logits, deltas, sampled)


def given_proposals(inputs: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the proposals (B, R, 4) float32 of an input, and a mask (B, R) bool of the valid ones.

    Raises:
        ArgumentError: (a ValueError) if there are none.
    """
    if "proposals" not in inputs:
        raise ArgumentError(
            f"inputs has {', '.join(inputs)}, but no proposals: pass (B, R, 4) boxes, padded with zeros."
        )
    proposals = tf.cast(inputs["proposals"], tf.float32)
    return proposals, boxes.areas(proposals) > 0


def choose_scales(regions: tf.Tensor, scales: Sequence[float], count: int, canonical_size: float) -> tf.Tensor:
    """Chooses adjacent scales for each region, at which its area is nearest to that of a square.

    With one scale, this is the rule of SPPnet (arXiv 1406.4729, section 4.1). With more, the sum of the differences of
    areas is minimal, because NoC (arXiv 1504.06066) and ResNet (arXiv 1512.03385, appendix B) only say "two adjacent".

    Args:
        regions: (B, R, 4), in pixels of the image at scale 1.
        scales: factors of the image size, in rising order.
        count: number of scales for each region, at most the number of `scales`.
        canonical_size: side of the square, in pixels.

    Returns:
        (B, R, count) int32, rising indices of `scales`.
    """
    squares = tf.square(tf.constant(scales, tf.float32))
    differences = tf.abs(boxes.areas(regions)[..., tf.newaxis] * squares - canonical_size**2)
    runs = [tf.reduce_sum(differences[..., first : first + count], -1) for first in range(len(scales) - count + 1)]
    first = tf.argmin(tf.stack(runs, axis=-1), axis=-1, output_type=tf.int32)
    return first[..., tf.newaxis] + tf.range(count)
