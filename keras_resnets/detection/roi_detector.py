"""What Fast and Faster R-CNN share: the pooling of regions of interest.

Shapes: see `keras_resnets.detection.region_detector`.
"""

from collections.abc import Mapping
from typing import Any

import keras

from keras_resnets import layers
from keras_resnets.detection.backbones import Backbone
from keras_resnets.detection.options import ROI_POOLING
from keras_resnets.detection.region_detector import RegionDetector
from keras_resnets.errors import ArgumentError
from keras_resnets.layers.pyramid_layer import PyramidLayer
from keras_resnets.layers.region_layer import RoILayer


class RoIDetector(RegionDetector):
    """A detector that pools regions of the trunk's map to bins of a fixed number.

    Arguments, attributes and errors: see `keras_resnets.FasterRCNN`.
    """

    def __init__(
        self,
        num_classes: int,
        backbone: str | keras.Model,
        weights: str | None,
        roi_pooling: str | RoILayer | PyramidLayer | None,
        normalization: Mapping[str, Any] | None,
        name: str,
        options: Mapping[str, Any],
        **others: Any,
    ):
        others["roi_pooling"] = roi_pooling
        super().__init__(num_classes, backbone, weights, normalization, name, options, **others)

    def _make_roi_pooling(self, parts: Backbone, **others: Any) -> RoILayer:
        layer: Any = others["roi_pooling"] or "max"
        if layer in [*ROI_POOLING]:
            pool_size = self.options.pool_size or parts.pool_size
            layer = getattr(layers, ROI_POOLING[layer])(pool_size, parts.strides[0], name="roi_pooling")
        check_roi_pooling(layer, RoILayer, "RoIPooling or RoIAlign", "RoIAlign(14, 16, aligned=False)")
        if self.options.head is None:
            parts.check_pool_size(layer.pool_size)
        if layer.stride != parts.strides[0]:
            raise ArgumentError(
                f"roi_pooling has stride={layer.stride}, but the trunk has stride={parts.strides[0]}: make it with "
                "the trunk's."
            )
        return layer


def check_roi_pooling(roi_pooling: Any, kind: type, names: str, example: str) -> None:
    """Raises ArgumentError for a pooling of regions of another kind; `names` and `example` are for the message."""
    if not isinstance(roi_pooling, kind):
        raise ArgumentError(
            f"roi_pooling={roi_pooling!r} is unknown: use {', '.join(map(repr, ROI_POOLING))}, or a {names} of "
            f"keras_resnets.layers, such as {example}."
        )
