"""Feature pyramid networks (Lin et al., 2017; arXiv 1612.03144) on residual nets."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_resnets import layers
from keras_resnets.detection.backbones import Backbone, classified_net
from keras_resnets.detection.options import ROI_POOLING, FPNOptions
from keras_resnets.detection.roi_detector import check_roi_pooling
from keras_resnets.errors import ArgumentError
from keras_resnets.layers.batch_normalization import BatchNormalization
from keras_resnets.layers.pyramid_anchors import PyramidAnchors
from keras_resnets.layers.pyramid_layer import PyramidLayer
from keras_resnets.layers.top_down_addition import TopDownAddition
from keras_resnets.surgery.graph import stage_outputs

POOL_SIZE = 7  # bins on each side of a region (section 4.2)
FINEST_STRIDE = 4  # px per cell of conv2, the first stage that the pyramid uses


def make_pyramid(backbone: str | keras.Model, options: FPNOptions) -> Backbone:
    """Makes a trunk whose output is a pyramid: a list of maps (B, h, w, C), each half as large as the one before it.

    A 1x1 convolution of each stage from conv2 on is added to the coarser map, enlarged twice, and a 3x3 convolution
    follows. A last map, for anchors only, has every other cell of the coarsest one. There is no nonlinearity.

    Args:
        backbone: see `keras_resnets.detection.backbones.make_backbone`; VGG, ZF and nets whose stages do not halve the
            map are refused.
        options: of the detector.

    Returns:
        A `Backbone` without a network of regions.

    Raises:
        ArgumentError: (a ValueError) if there is no such net, or it has no such stages.
    """
    net = classified_net(backbone)
    stages = [output for name, output in stage_outputs(net).items() if name != "conv1_out"]
    stages[-1:] = [net.output]  # That of a pre-activation net is activated.
    parts = Backbone(net, keras.Model(net.input, stages, name="stages"), pool_size=POOL_SIZE)
    expected = tuple(FINEST_STRIDE * 2**level for level in range(len(stages)))
    if len(stages) < 2 or parts.strides != expected or not parts.covers_the_image:
        raise ArgumentError(
            f"backbone={net.name} has no stages that halve the map, from stride {FINEST_STRIDE} on, with padding: a "
            "feature pyramid needs them. Pass a residual or plain net."
        )
    maps = _pyramid(stages, options)
    maps.append(keras.layers.MaxPooling2D(1, 2, name=f"fpn_pool{len(stages) + 2}")(maps[-1]))
    return Backbone(net, keras.Model(net.input, maps, name="trunk"), pool_size=POOL_SIZE)


def _pyramid(stages, options):
    """Returns the maps of a pyramid, the finest first."""

    def convolution(x, kernel_size, name):
        x = keras.layers.Conv2D(
            options.fpn_filters,
            kernel_size,
            padding="same",
            use_bias=not options.fpn_batch_norm,
            kernel_initializer=keras.initializers.VarianceScaling(1.0, "fan_in", "uniform"),
            name=name,
        )(x)
        return BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x) if options.fpn_batch_norm else x

    top_down: Any = None
    maps: list[Any] = []
    for level, stage in reversed([*enumerate(stages, 2)]):
        lateral = convolution(stage, 1, f"fpn_lateral{level}")
        top_down = lateral if top_down is None else TopDownAddition(name=f"fpn_sum{level}")([lateral, top_down])
        maps.insert(0, convolution(top_down, 3, f"fpn_output{level}"))
    return maps


def pyramid_anchors(options: FPNOptions, strides: Sequence[int]) -> PyramidAnchors:
    """Returns the layer that makes the anchors of a pyramid whose levels have these strides in pixels."""
    conventions = options.anchor_offset, options.anchor_rounding, options.anchor_floor_strides
    return PyramidAnchors(options.anchor_sizes, options.anchor_ratios, strides, *conventions, name="anchors")


def pyramid_roi_pooling(roi_pooling: Any, options: FPNOptions, parts: Backbone) -> PyramidLayer:
    """Returns the layer that pools regions of a pyramid.

    Args:
        roi_pooling: a name of `keras_resnets.detection.options.ROI_POOLING`, a layer, or None for "align".
        options: of the detector.
        parts: the result of `make_pyramid`.

    Raises:
        ArgumentError: (a ValueError) for another layer, or one with other strides.
    """
    strides = parts.strides[:-1]
    layer: Any = roi_pooling or "align"
    if layer in [*ROI_POOLING]:
        kind = getattr(layers, f"Pyramid{ROI_POOLING[layer]}")
        conventions = {"aligned": options.roi_aligned} if layer == "align" else {}
        size = {"canonical_size": options.canonical_size}
        layer = kind(options.pool_size or parts.pool_size, strides, **size, **conventions, name="roi_pooling")
    names = "PyramidRoIPooling or PyramidRoIAlign"
    check_roi_pooling(layer, PyramidLayer, names, f"PyramidRoIAlign(7, {strides}, aligned=False)")
    if layer.strides != strides:
        raise ArgumentError(f"roi_pooling has strides={layer.strides}, but the pyramid has {strides}: pass these.")
    return layer
