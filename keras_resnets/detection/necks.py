"""What Faster R-CNN finds regions in: one map of its trunk, or a feature pyramid.

Both classes have the same methods. Where `SingleMap` takes or gives one tensor, `Pyramid` has one for each level.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_resnets.detection.backbones import Backbone, make_backbone
from keras_resnets.detection.fpn import make_pyramid, pyramid_anchors, pyramid_roi_pooling
from keras_resnets.detection.options import FasterRCNNOptions, FPNOptions
from keras_resnets.detection.roi_detector import map_roi_pooling
from keras_resnets.detection.rpn import anchor_generator
from keras_resnets.layers.anchor_generator import AnchorGenerator
from keras_resnets.layers.proposals import Proposals
from keras_resnets.layers.pyramid_anchors import PyramidAnchors
from keras_resnets.layers.pyramid_layer import PyramidLayer
from keras_resnets.layers.pyramid_proposals import PyramidProposals
from keras_resnets.layers.region_layer import RoILayer


class SingleMap:
    """The map that conv5 of a residual net would see (C4), or the last one of VGG and ZF.

    Attributes:
        options: class of the detector's options.
        proposals: class of the layer that chooses the proposals.
    """

    options = FasterRCNNOptions
    proposals = Proposals

    def cut(self, backbone: str | keras.Model, options: FasterRCNNOptions) -> Backbone:
        """Returns the trunk, and maybe a network of regions, of a classification net."""
        return make_backbone(backbone, options.dropout_rate)

    def roi_pooling(self, roi_pooling: Any, options: FasterRCNNOptions, parts: Backbone) -> RoILayer:
        """Returns the layer that pools regions, of the detector's argument."""
        return map_roi_pooling(roi_pooling, options, parts)

    def anchors(self, options: FasterRCNNOptions, strides: Sequence[int]) -> AnchorGenerator:
        """Returns the layer that makes the anchors."""
        return anchor_generator(options, strides)

    def rpn_outputs(self, rpn: keras.Model, features: tf.Tensor, training: bool) -> tuple[Any, Any]:
        """Returns logits and deltas of all anchors."""
        return rpn(features, training=training)

    def joined(self, logits: Any, deltas: Any, anchors: Any) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns logits (B, A), deltas (B, A, 4) and anchors (A, 4) in one tensor each."""
        return logits, deltas, anchors


class Pyramid:
    """A feature pyramid (arXiv 1612.03144), all of whose levels share the RPN. Attributes and methods: `SingleMap`."""

    options = FPNOptions
    proposals = PyramidProposals

    def cut(self, backbone: str | keras.Model, options: FPNOptions) -> Backbone:
        """See `SingleMap`. There is no network of regions."""
        return make_pyramid(backbone, options)

    def roi_pooling(self, roi_pooling: Any, options: FPNOptions, parts: Backbone) -> PyramidLayer:
        """See `SingleMap`."""
        return pyramid_roi_pooling(roi_pooling, options, parts)

    def anchors(self, options: FPNOptions, strides: Sequence[int]) -> PyramidAnchors:
        """See `SingleMap`."""
        return pyramid_anchors(options, strides)

    def rpn_outputs(self, rpn: keras.Model, features: Sequence[tf.Tensor], training: bool) -> tuple[Any, Any]:
        """See `SingleMap`."""
        logits, deltas = zip(*(rpn(level, training=training) for level in features))
        return logits, deltas

    def joined(self, logits: Any, deltas: Any, anchors: Any) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """See `SingleMap`. The finest level is first."""
        return tf.concat(logits, 1), tf.concat(deltas, 1), tf.concat(anchors, 0)


NECKS: Mapping[str | None, SingleMap | Pyramid] = {None: SingleMap(), "fpn": Pyramid()}
