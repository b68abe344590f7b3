"""What Fast and Faster R-CNN share: the pooling of regions of interest.

Shapes: see `keras_resnets.detection.region_detector`.
"""

from collections.abc import Mapping
from typing import Any

import keras

from keras_resnets import layers
from keras_resnets.detection.backbones import Backbone
from keras_resnets.detection.options import ROI_POOLING, RegionOptions
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

    def _make_roi_pooling(self, parts, **others):
        return map_roi_pooling(others["roi_pooling"], self.options, parts)


def map_roi_pooling(roi_pooling: Any, options: RegionOptions, parts: Backbone) -> RoILayer:
    """Returns the layer that pools regions of one map.

    Args:
        roi_pooling: a name of `keras_resnets.detection.options.ROI_POOLING`, a layer, or None for "max".
        options: of the detector.
        parts: the net that is cut.

    Raises:
        ArgumentError: (a ValueError) for another layer, or one with another stride.
    """
    (stride,) = parts.strides
    layer: Any = roi_pooling or "max"
    if layer in [*ROI_POOLING]:
        layer = getattr(layers, ROI_POOLING[layer])(options.pool_size or parts.pool_size, stride, name="roi_pooling")
    check_roi_pooling(layer, RoILayer, "RoIPooling or RoIAlign", "RoIAlign(14, 16, aligned=False)")
    if options.head is None:
        parts.check_pool_size(layer.pool_size)
    if layer.stride != stride:
        raise ArgumentError(
            f"roi_pooling has stride={layer.stride}, but the trunk has stride={stride}: make it with the trunk's."
        )
    return layer


def check_roi_pooling(roi_pooling: Any, kind: type, names: str, example: str) -> None:
    """Raises ArgumentError for a pooling of regions of another kind; `names` and `example` are for the message."""
    if not isinstance(roi_pooling, kind):
        raise ArgumentError(
            f"roi_pooling={roi_pooling!r} is unknown: use {', '.join(map(repr, ROI_POOLING))}, or a {names} of "
            f"keras_resnets.layers, such as {example}."
        )
