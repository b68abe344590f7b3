"""Faster R-CNN (Ren et al., 2015; arXiv 1506.01497) on VGG, ZF and, as in arXiv 1512.03385, residual nets.

Shapes: see `keras_resnets.detection.region_detector`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_resnets.detection.necks import NECKS
from keras_resnets.detection.options import FasterRCNNOptions
from keras_resnets.detection.region_losses import padded_targets
from keras_resnets.detection.roi_detector import RoIDetector
from keras_resnets.detection.rpn import region_proposal_network, rpn_losses
from keras_resnets.errors import check_choice
from keras_resnets.layers.pyramid_layer import PyramidLayer
from keras_resnets.layers.region_layer import RoILayer


@keras.saving.register_keras_serializable(package="keras_resnets")
class FasterRCNN(RoIDetector):
    """A two-stage detector, trained end to end (approximate joint training in the paper).

    Both stages share the trunk's features. A region proposal network finds regions in them. Then the pooled features of
    each region go through the head: conv5 of a residual net (on 14x14 bins, with its stride of 2), fc6 and fc7 of VGG
    and ZF, or, with a neck, two fully connected layers (on 7x7 bins). Proposals carry no gradient. With a
    pre-activation net, both stages see what its conv5 does: the sums of conv4, before batch normalization and ReLU.

    Input: a dict of `images` (B, H, W, 3) RGB, 0 to 255, of any numeric dtype, with known H and W, and `image_shapes`
    (B, 2) int32, the height and width of the image in the upper left corner of each canvas. The rest of the canvas does
    not matter.
    Output: a dict of `boxes` (B, D, 4) float32, `scores` (B, D) float32, `classes` (B, D) int32, -1 for padding, and
    `num_detections` (B,) int32: see `keras_resnets.layers.Detections`.

    Training is by `model.compile(optimizer)` and `model.fit` on pairs of that input and a dict of `boxes` (B, G, 4) and
    `classes` (B, G), both padded with -1; or by `training_losses` in a custom loop. `fit`, `evaluate` and `predict`
    choose kernels that XLA has where `compile` has `jit_compile=True`; a function of your own with `jit_compile=True`
    needs `with keras_resnets.xla.xla_scope():` around the call of a detector with a neck.

    Attributes:
        trunk: `keras.Model` from normalized images to features (B, h, w, C), with a neck a list of maps.
        rpn: `keras.Model` from features, of one level, to logits and deltas of all anchors.
        region_network: `keras.Model` from pooled features (N, P, P, C) to region features.
        head: `keras.Model` from region features to logits (N, K + 1), the background first, and deltas (N, K + 1, 4).

    Args:
        num_classes: K, without the background.
        backbone: a name ("plainnet18", "resnet18" ... "resnet200_v2", "vgg16", "vgg19", "zfnet"), or a net of this
            package with `include_top=False`, such as `VGG16(include_top=False, width=1/8)` or `ResNet((2, 2, 2, 2),
            (32, 64, 128, 256), include_top=False)`. ZF needs `padding="faster_rcnn"`. Inception-v3, Inception-v4 and
            the Inception-ResNets work, but see the image shifted: see `keras_resnets.detection.backbones`. A net is
            used, not copied: its batch normalization is frozen unless `train_batch_norm` is True, and its weights are
            shared with all detectors that are made of it.
        weights: weights of a named backbone: "imagenet", or the path of a file with any classes (see
            `keras_resnets.weights.load_weights`); None for random ones.
        roi_pooling: "max" (RoIPooling), "align" (RoIAlign), or one of these layers with other arguments; for a pyramid,
            PyramidRoIPooling and PyramidRoIAlign. None is "max" without a neck, as in the paper, and "align" with one.
        normalization: dict of `mean`, `std` and `bgr` (see `keras_resnets.layers.ImageNormalization`). By default it is
            what the weights expect, or ImageNet's statistics.
        name: name of the model.
        neck: None, or "fpn" for a feature pyramid (arXiv 1612.03144) on a residual or plain net: regions are proposed
            at all of its levels, and pooled at the one that suits their size. The trunk has all stages of the net, and
            returns a list of maps, P2 to P6 for nets of five stages.
        **options: see below. With a neck, they are those of `keras_resnets.detection.options.FPNOptions`.

    Raises:
        ArgumentError: (a ValueError) for an argument that cannot work.
    """

    loss_names: tuple[str, ...] = ("rpn_class", "rpn_box", "region_class", "region_box")
    OPTIONS: type = FasterRCNNOptions

    def __init__(
        self,
        num_classes: int,
        backbone: str | keras.Model = "resnet101",
        weights: str | None = None,
        roi_pooling: str | RoILayer | PyramidLayer | None = None,
        normalization: Mapping[str, Any] | None = None,
        name: str = "faster_rcnn",
        neck: str | None = None,
        **options: Any,
    ):
        check_choice("neck", neck, [*NECKS])
        super().__init__(num_classes, backbone, weights, roi_pooling, normalization, name, options, neck=neck)

    def _options_class(self, **others):
        return NECKS[others["neck"]].options

    @property
    def _neck(self):
        return NECKS[self._config["neck"]]

    def _cut(self, backbone):
        return self._neck.cut(backbone, self.options)

    def _make_roi_pooling(self, parts, **others):
        return self._neck.roi_pooling(others["roi_pooling"], self.options, parts)

    def _make_parts(self, parts):
        options = self.options
        self.anchors = self._neck.anchors(options, parts.strides)
        self.rpn = region_proposal_network(
            keras.tree.flatten(self.trunk.output)[0].shape[-1],
            self.anchors.per_cell,
            options.rpn_filters,
            options.rpn_softmax,
            getattr(options, "rpn_convolutions", 1),
        )
        kind = self._neck.proposals
        limits = options.rpn_nms_threshold, options.proposal_min_size
        self.proposals = kind(options.test_pre_nms_topk, options.test_post_nms_topk, *limits, name="proposals")
        self.training_proposals = kind(
            options.train_pre_nms_topk, options.train_post_nms_topk, *limits, name="training_proposals"
        )

    def call(self, inputs, training=False):
        return self.detect(*self.propose(inputs, training), tf.convert_to_tensor(inputs["image_shapes"]), training)

    def propose(
        self, inputs: Mapping[str, tf.Tensor], training: bool = False, train_topk: bool = False
    ) -> tuple[list[tf.Tensor], tf.Tensor, tf.Tensor]:
        """Returns features, proposals (B, R, 4), padded with zeros, and a mask (B, R) bool of the valid ones.

        Args:
            inputs: the model's input.
            training: see `training_losses`.
            train_topk: whether R is `train_post_nms_topk` instead of `test_post_nms_topk`.
        """
        features = self.features(inputs, training)
        image_shapes = tf.convert_to_tensor(inputs["image_shapes"])
        return features, *self.proposals_in(features, image_shapes, training, train_topk)

    def proposals_in(
        self, features: Sequence[tf.Tensor], image_shapes: tf.Tensor, training: bool = False, train_topk: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """As `propose`, on the result of `features`."""
        layer = self.training_proposals if train_topk else self.proposals
        return layer(*self._anchors(features, training), image_shapes)

    def _anchors(self, features, training):
        """Returns logits, deltas and anchors, of the image at scale 1."""
        features = features[self.options.scales.index(1)]
        return *self._neck.rpn_outputs(self.rpn, features, training), self.anchors(features)

    def training_losses(self, inputs, targets, seeds, training=True):
        features = self.features(inputs, training)
        losses, proposals, valid = self.proposal_losses(features, inputs, targets, seeds, training)
        return losses | self.region_losses(features, proposals, valid, inputs, targets, seeds, training)

    def proposal_losses(
        self,
        features: Sequence[tf.Tensor],
        inputs: Mapping[str, tf.Tensor],
        targets: Mapping[str, tf.Tensor],
        seeds: tf.Tensor,
        training: bool = True,
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
        """Returns the RPN's terms of the loss, proposals (B, R, 4), and a mask (B, R) bool of the valid ones.

        Args:
            features: the result of `features`.
            inputs, targets, seeds, training: see `training_losses`.
        """
        image_shapes = tf.convert_to_tensor(inputs["image_shapes"])
        outputs = self._anchors(features, training)
        proposals, valid = self.training_proposals(*outputs, image_shapes)
        logits, deltas, anchors = self._neck.joined(*outputs)
        losses = rpn_losses(self.options, logits, deltas, anchors, image_shapes, padded_targets(targets), seeds)
        return losses, proposals, valid
