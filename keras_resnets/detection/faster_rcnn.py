"""Faster R-CNN (Ren et al., 2015; arXiv 1506.01497) on VGG, ZF and, as in arXiv 1512.03385, residual nets.

Shapes: see `keras_resnets.detection.region_detector`.
"""

import keras
import tensorflow as tf

from keras_resnets.detection.options import Options
from keras_resnets.detection.region_detector import RegionDetector
from keras_resnets.detection.region_losses import padded_targets
from keras_resnets.detection.rpn import region_proposal_network, rpn_losses
from keras_resnets.layers.anchor_generator import AnchorGenerator
from keras_resnets.layers.proposals import Proposals


@keras.saving.register_keras_serializable(package="keras_resnets")
class FasterRCNN(RegionDetector):
    """A two-stage detector, trained in one piece (the paper's approximate joint training).

    The trunk's features are shared: a region proposal network finds regions in them, and each region's pooled features
    go through the head: conv5 of a residual net (on 14x14 bins, with its stride of 2), or fc6 and fc7 of VGG and ZF.
    Proposals carry no gradient. Of a pre-activation net, both see what its conv5 does: the sums of conv4, before batch
    normalization and ReLU.

    Input: a dict of `images` (B, H, W, 3) RGB, 0..255, any number type, H and W known, and `image_shapes` (B, 2) int32,
    the height and width of the image in the top left corner of each canvas; the rest does not matter.
    Output: a dict of `boxes` (B, D, 4), `scores` (B, D) float32, `classes` (B, D) int32, -1 for padding, and
    `num_detections` (B,) int32: see `keras_resnets.layers.Detections`.

    It is trained by `model.compile(optimizer)` and `model.fit` on pairs of that input and a dict of `boxes` (B, G, 4)
    and `classes` (B, G), both padded with -1; or by `training_losses` in a loop of one's own.

    Attributes:
        trunk: `keras.Model` from normalized images to features (B, h, w, C).
        rpn: `keras.Model` from features to logits and deltas of all anchors.
        region_network: `keras.Model` from pooled features (N, P, P, C) to a region's features.
        head: `keras.Model` from these to logits (N, K + 1), the background first, and deltas (N, K + 1, 4).

    Args:
        num_classes: K, without the background.
        backbone: "plainnet18", "resnet18" ... "resnet200_v2", "vgg16", "vgg19", "zfnet", or a plain net, residual net,
            VGG or ZF of this package, with `include_top=False`, such as `VGG16(include_top=False, width=1/8)` or
            `ResNet((2, 2, 2, 2), (32, 64, 128, 256), include_top=False)`; ZF with `padding="faster_rcnn"`.
        weights: of a named backbone: "imagenet", or the path of a file of any classes (see
            `keras_resnets.weights.load_weights`); None for random ones.
        roi_pooling: "max" (RoIPooling), "align" (RoIAlign), or one of these layers with other arguments.
        normalization: dict of `mean`, `std` and `bgr` (see `keras_resnets.layers.ImageNormalization`), by default what
            the weights expect, or ImageNet's statistics.
        name: the model's name.
        **options: see below.

    Raises:
        ArgumentError: (a ValueError) for an argument that cannot work.
    """

    loss_names = ("rpn_class", "rpn_box", "region_class", "region_box")
    OPTIONS = Options

    def __init__(
        self,
        num_classes,
        backbone="resnet101",
        weights=None,
        roi_pooling="max",
        normalization=None,
        name="faster_rcnn",
        **options,
    ):
        super().__init__(num_classes, backbone, weights, roi_pooling, normalization, name, options)

    def _make_parts(self, stride):
        options = self.options
        self.anchors = AnchorGenerator(
            options.anchor_sizes,
            options.anchor_ratios,
            stride,
            options.anchor_offset,
            options.anchor_rounding,
            name="anchors",
        )
        self.rpn = region_proposal_network(
            self.trunk.output.shape[-1], self.anchors.per_cell, options.rpn_filters, options.rpn_softmax
        )
        limits = options.rpn_nms_threshold, options.proposal_min_size
        self.proposals = Proposals(options.test_pre_nms_topk, options.test_post_nms_topk, *limits, name="proposals")
        self.training_proposals = Proposals(
            options.train_pre_nms_topk, options.train_post_nms_topk, *limits, name="training_proposals"
        )

    def call(self, inputs, training=False):
        return self.detect(*self.propose(inputs, training), tf.convert_to_tensor(inputs["image_shapes"]), training)

    def propose(self, inputs, training=False, many=False):
        """Returns features, proposals (B, R, 4), padded with zeros, and whether they exist (B, R).

        Args:
            inputs: of the model.
            training: see `training_losses`.
            many: whether there are as many proposals as in training.
        """
        features = self.features(inputs, training)
        return features, *self.proposals_in(features, tf.convert_to_tensor(inputs["image_shapes"]), training, many)

    def proposals_in(self, features, image_shapes, training=False, many=False):
        """Returns proposals (B, R, 4), padded with zeros, and whether they exist (B, R), from features of an image."""
        layer = self.training_proposals if many else self.proposals
        return layer(*self._anchors(features, training), image_shapes)

    def _anchors(self, features, training):
        """Returns the proposal network's outputs and the anchors, of the image at its own scale."""
        features = features[self.options.scales.index(1)]
        return *self.rpn(features, training=training), self.anchors(features)

    def training_losses(self, inputs, targets, seeds, training=True):
        features = self.features(inputs, training)
        losses, proposals, exists = self.proposal_losses(features, inputs, targets, seeds, training)
        return losses | self.region_losses(features, proposals, exists, inputs, targets, seeds, training)

    def proposal_losses(self, features, inputs, targets, seeds, training=True):
        """Returns the proposal network's terms of the loss, proposals (B, R, 4), and whether they exist (B, R).

        Args:
            features: as `features` returns them.
            inputs, targets, seeds, training: see `training_losses`.
        """
        image_shapes = tf.convert_to_tensor(inputs["image_shapes"])
        logits, deltas, anchors = self._anchors(features, training)
        losses = rpn_losses(self.options, logits, deltas, anchors, image_shapes, padded_targets(targets), seeds)
        return losses, *self.training_proposals(logits, deltas, anchors, image_shapes)
