"""What two-stage detectors have in common: shared features, a network for each region, and how `fit` trains them.

Shapes: B images on canvases of H x W pixels, R regions of an image, K classes, D detections, G objects; boxes are
float32 [x1, y1, x2, y2] in pixels of the canvas, where the width is x2 - x1.
"""

import dataclasses
import numbers

import keras
import tensorflow as tf

from keras_resnets.detection import boxes
from keras_resnets.detection.backbones import classification_net, load_backbone, make_backbone
from keras_resnets.detection.heads import region_networks
from keras_resnets.detection.options import make_options
from keras_resnets.detection.regions import padded_targets, region_losses, sample_regions
from keras_resnets.detection.scales import choose_scales, scaled
from keras_resnets.errors import ArgumentError
from keras_resnets.layers.detections import Detections
from keras_resnets.layers.image_normalization import ImageNormalization
from keras_resnets.layers.region_layer import RegionLayer
from keras_resnets.layers.roi_align import RoIAlign
from keras_resnets.layers.roi_pooling import RoIPooling
from keras_resnets.models.nesting import batch_normalizations
from keras_resnets.weights.family import TORCH
from keras_resnets.weights.published import normalization_of, resolve

ROI_POOLING = {"max": RoIPooling, "align": RoIAlign}


class RegionDetector(keras.Model):
    """A detector that classifies regions of shared features; its subclasses differ in where regions come from.

    A subclass names the terms of its loss in `loss_names` and its options' class in `OPTIONS`, and has `call`,
    `training_losses` and, for parts beside the trunk and the head, `_make_parts`.

    Arguments, attributes and errors: see `keras_resnets.FasterRCNN`.
    """

    loss_names = ()
    OPTIONS = None

    def __init__(self, num_classes, backbone, weights, roi_pooling, normalization, name, options):
        super().__init__(autocast=False, name=name)
        self.num_classes, self.options = num_classes, make_options(options, self.OPTIONS)
        _check(num_classes, backbone, weights, roi_pooling, normalization)
        self._config = {
            "num_classes": num_classes,
            "backbone": backbone if isinstance(backbone, str) else keras.saving.serialize_keras_object(backbone),
            "roi_pooling": roi_pooling
            if isinstance(roi_pooling, str)
            else keras.saving.serialize_keras_object(roi_pooling),
            "normalization": normalization or backbone_normalization(backbone, weights),
        }
        parts = make_backbone(backbone, self.options.dropout_rate)
        self.normalization = ImageNormalization(**self._config["normalization"], name="normalization")
        self.trunk = parts.trunk
        self._make_parts(parts.stride)
        self.roi_pooling = self._make_roi_pooling(roi_pooling, parts)
        self.region_network, self.head = region_networks(parts, self._pooled_shape(), self.options, num_classes)
        self.detections = Detections(
            self.options.score_threshold,
            self.options.detection_iou,
            self.options.max_detections,
            self.options.delta_stds,
            self.options.voting_iou,
            name="detections",
        )
        if weights is not None:
            load_backbone(self, classification_net(backbone), resolve(weights, backbone))
        if not self.options.train_batch_norm:
            freeze_batch_normalization(self)
        self._means = {name: keras.metrics.Mean(name) for name in ("loss", *self.loss_names)}
        self.built = True

    @property
    def metrics(self):
        """The means of the loss and its terms over an epoch."""
        return [*self._means.values()]

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

    def classify(self, features, regions, image_shapes, training=False):
        """Returns logits (B, R, K + 1), the background first, and deltas (B, R, K + 1, 4) of regions (B, R, 4)."""
        found = self.describe(features, self.pool_scales(features, regions, training), image_shapes, training)
        logits, deltas = self.head(tf.reshape(found, [-1, *found.shape[2:]]), training=training)
        shape = [-1, regions.shape[1], self.num_classes + 1]
        return tf.reshape(logits, shape), tf.reshape(deltas, [*shape, 4])

    def _context(self, features, region_features, image_shapes, training):
        """Returns the features of the whole image, as often as there are regions."""
        height, width = tf.unstack(tf.cast(image_shapes, tf.float32), axis=-1)
        whole = tf.stack([tf.zeros_like(width), tf.zeros_like(height), width, height], axis=-1)[:, tf.newaxis]
        context = self.region_features(self.pool_scales(features, whole, training), training)
        return tf.repeat(context, region_features.shape[1], axis=1)

    def score(self, features, regions, image_shapes, training=False):
        """Returns scores (B, R, K) from 0 on, and deltas (B, R, K, 4), of the classes without the background."""
        return self.softmax_score(features, regions, image_shapes, training)

    def softmax_score(self, features, regions, image_shapes, training=False):
        """As `score`, by the softmax of the head."""
        logits, deltas = self.classify(features, regions, image_shapes, training)
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
            again = *score(refined), refined, exists
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
        logits, deltas = self.classify(features, regions, tf.convert_to_tensor(inputs["image_shapes"]), training)
        return region_losses(self.options, logits, deltas, sampled)

    def training_losses(self, inputs, targets, seeds, training=True):
        """Returns the terms of the loss, each a mean over the batch.

        Args:
            inputs: as of the model.
            targets: dict of `boxes` (B, G, 4) and `classes` (B, G), both padded with -1; an image may have no object.
            seeds: (B, 2) integers that the samples to learn from are drawn with: an image's depends on its own.
            training: whether dropout and, if it is trained, batch normalization are in training mode.

        Returns:
            Dict of float32 scalars, by the names of `loss_names`, to be added up.
        """
        raise NotImplementedError

    def train_step(self, data):
        """A step of `fit`."""
        inputs, targets = _inputs_and_targets(data)
        with tf.GradientTape() as tape:
            losses = self.training_losses(inputs, targets, self._seeds(inputs, self.optimizer.iterations))
            loss = sum(losses.values()) + sum(self.losses)
            # The optimizer adds up what the replicas give it.
            scaled = self.optimizer.scale_loss(loss / tf.distribute.get_strategy().num_replicas_in_sync)
        self.optimizer.apply(
            tape.gradient(scaled, [v.value for v in self.trainable_variables]), self.trainable_variables
        )
        return self._updated_means({"loss": loss, **losses}, inputs)

    def test_step(self, data):
        """A step of `evaluate`, or of `fit`'s validation: the same losses, of the same samples every time."""
        inputs, targets = _inputs_and_targets(data)
        losses = self.training_losses(inputs, targets, self._seeds(inputs, 0), training=False)
        return self._updated_means({"loss": sum(losses.values()) + sum(self.losses), **losses}, inputs)

    def _updated_means(self, losses, inputs):
        for name, loss in losses.items():
            self._means[name].update_state(loss, sample_weight=tf.shape(inputs["images"])[0])
        return {name: mean.result() for name, mean in self._means.items()}

    def _seeds(self, inputs, step):
        """Returns (B, 2) int32, others for every step and every image of all replicas."""
        batch = tf.shape(inputs["images"])[0]
        replica = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.int32)
        images = replica * batch + tf.range(batch)
        return tf.stack([tf.fill([batch], tf.cast(step, tf.int32)), images], axis=1)

    def get_config(self):
        dtype = keras.dtype_policies.serialize(self.dtype_policy)
        return {**self._config, "name": self.name, "dtype": dtype, **dataclasses.asdict(self.options)}

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        policy = keras.config.dtype_policy()
        # The parts that are made anew have the precision of the model that was saved.
        keras.config.set_dtype_policy(keras.dtype_policies.get(config.pop("dtype")))
        try:
            objects = {
                key: keras.saving.deserialize_keras_object(config[key])
                for key in ("backbone", "roi_pooling")
                if not isinstance(config.get(key, ""), str)
            }
            return cls(**{**config, **objects})
        finally:
            keras.config.set_dtype_policy(policy)


def _inputs_and_targets(data):
    """Returns what `fit` was given, or raises ArgumentError for sample weights."""
    inputs, targets, weights = keras.utils.unpack_x_y_sample_weight(data)
    if weights is not None:
        raise ArgumentError("sample_weight cannot be used for a detector: leave it out.")
    return inputs, targets


def _check(num_classes, backbone, weights, roi_pooling, normalization):
    if normalization is not None and not {"mean", "std"} <= set(normalization) <= {"mean", "std", "bgr"}:
        raise ArgumentError(f"normalization={normalization!r} must be a dict of mean and std, and bgr if you like.")
    if not isinstance(num_classes, numbers.Integral) or num_classes is True or num_classes < 1:
        raise ArgumentError(f"num_classes={num_classes!r} must be a positive integer (the background is not one).")
    if weights is not None and not isinstance(backbone, str):
        raise ArgumentError(f"weights={weights!r} are for a backbone given by its name: load them into the net.")
    if not isinstance(roi_pooling, RegionLayer) and roi_pooling not in [*ROI_POOLING]:
        raise ArgumentError(
            f"roi_pooling={roi_pooling!r} is unknown: use {', '.join(map(repr, ROI_POOLING))}, or a layer such as "
            "keras_resnets.layers.RoIAlign(14, 16, aligned=False)."
        )


def backbone_normalization(backbone, weights):
    """Returns the arguments of `ImageNormalization` that a named backbone's weights need; ImageNet's for none."""
    known = None if weights is None else normalization_of(backbone, weights)
    return dataclasses.asdict(known or TORCH)


def freeze_batch_normalization(model):
    """Makes all batch normalization of a model keep and use its statistics, and leaves its weights as they are."""
    for layer in batch_normalizations(model):
        layer.trainable = False
