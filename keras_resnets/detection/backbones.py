"""Classification nets, cut into the two parts of a detector: a trunk for the image and a network for each region."""

import dataclasses
import math
import os
from collections.abc import Mapping
from typing import Any

import keras

from keras_resnets.detection.backbone_names import VGG, WITH_FULLY_CONNECTED, ZF, backbone_names
from keras_resnets.errors import ArgumentError
from keras_resnets.layers.conv2d import Conv2D, skips_pixels
from keras_resnets.models import registry, vgg, zfnet
from keras_resnets.models.blocks import fully_connected, global_average
from keras_resnets.surgery.graph import clone, copy_of, copy_weights, leaf_layers, stage_outputs
from keras_resnets.weights import load_weights

CONV5_POOL_SIZE = 14  # conv5_1 has stride 2: its output has 7x7 cells
LAST_POOLING = "pool5"  # the last pooling of nets with fc6 and fc7
ANY_IMAGE = (None, None, 3)  # the input_shape of a detector's net
PROBE = 512  # px, side of the image from which a trunk's stride and padding are computed


@dataclasses.dataclass(frozen=True)
class FullyConnected:
    """A family of nets whose fc6 and fc7 become the network of regions.

    Attributes:
        names: names in the registry.
        pool_size: number of bins on each side of a region for which fc6 is made.
        units_per_filter: units of fc6 and of fc7 for each channel of the last map.
        arguments: the builder's arguments for a detector.
    """

    names: tuple[str, ...]
    pool_size: int
    units_per_filter: int
    arguments: Mapping[str, str] = dataclasses.field(default_factory=dict)


# By the window of the last pooling, which the pooling of regions replaces.
FC_FAMILIES = {
    (2, 2): FullyConnected(VGG, 7, vgg.UNITS_PER_FILTER),
    (3, 3): FullyConnected(ZF, 6, zfnet.UNITS_PER_FILTER, {"padding": "faster_rcnn"}),
}


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A net cut in two.

    Attributes:
        net: the classification net, without its classifier.
        trunk: model from normalized images (B, H, W, 3) to features (B, h, w, C), or to a list of them.
        pool_size: bins on each side of a region for which the net is made.
        pooled: (N, P, P, C), pooled features, or None if the net has no network of regions.
        region_features: (N, F), computed from `pooled`, or None.

    Raises:
        ArgumentError: (a ValueError) if the net does not take RGB images of any size.
    """

    net: keras.Model
    trunk: keras.Model
    pool_size: int
    pooled: keras.KerasTensor | None = None
    region_features: keras.KerasTensor | None = None

    def __post_init__(self):
        if self.net.input_shape != (None, *ANY_IMAGE):
            raise ArgumentError(
                f"backbone={self.net.name} has the input shape {self.net.input_shape}, but a detector needs a net "
                f"for RGB images of any size: build it with include_top=False and input_shape={ANY_IMAGE}."
            )

    def check_pool_size(self, pool_size: int) -> None:
        """Raises ArgumentError if the network of regions does not take this number of bins on each side."""
        if self.pooled is not None and self.pooled.shape[1] not in (None, pool_size):
            raise ArgumentError(
                f"pool_size={pool_size} must be {self.pool_size} for fc6, which has weights of that size."
            )

    @property
    def strides(self) -> tuple[int, ...]:
        """Pixels of the image per cell of each map of the features, powers of two."""
        return tuple(2 ** round(math.log2(PROBE / cells)) for cells in self._cells)

    @property
    def covers_the_image(self) -> bool:
        """Whether the features have cells for the whole image, which needs padding in each layer."""
        return all(cells * stride >= PROBE for cells, stride in zip(self._cells, self.strides))

    @property
    def _cells(self) -> list[int]:
        """Cells on each side of each map of the features of an image of PROBE pixels."""
        shapes = self.trunk.compute_output_shape((1, PROBE, PROBE, 3))
        return [shape[1] for shape in (shapes if isinstance(shapes, list) else [shapes])]


def make_backbone(backbone: str | keras.Model, dropout_rate: float = 0.5) -> Backbone:
    """Cuts a net in two.

    The network of regions is fc6 and fc7 of VGG and ZF, and the last stage of other nets.

    Args:
        backbone: one of `backbone_names()`, or a net of this package without its classifier. It becomes a part of the
            result; only a net that an older version saved is copied. ZF without padding is refused: pass
            `ZFNet(include_top=False, padding="faster_rcnn")`. Inception-v3, Inception-v4 and the Inception-ResNets have
            layers without padding as well, and no padded form. They are accepted, although the center of what a cell
            sees is 13 pixels away from where regions and anchors expect it.
        dropout_rate: dropout rate after fc6 and fc7.

    Returns:
        A `Backbone`.

    Raises:
        ArgumentError: (a ValueError) if there is no such net, it cannot be cut, or it takes images of one size only.
    """
    net = classified_net(backbone)
    stages = [*stage_outputs(net)]
    if len(stages) < 2 or len(net.output.shape) != 4:
        raise ArgumentError(
            f"backbone={net.name}, with the stages {', '.join(stages) or 'none'} and the output {net.output.shape}, "
            "cannot be cut in two: pass a residual net, a plain net, VGG, ZF or another net of this package with "
            "include_top=False."
        )
    last_pooling = next((layer for layer in net.layers if layer.name == LAST_POOLING), None)
    if last_pooling is None:
        return _cut_before_last_stage(net, stages)
    window = getattr(last_pooling, "pool_size", None)
    if window not in FC_FAMILIES:
        windows = " or ".join(f"{height}x{width}" for height, width in FC_FAMILIES)
        raise ArgumentError(
            f"backbone={net.name} has a layer {LAST_POOLING!r} that is not a max pooling of {windows} cells, which the "
            "pooling of regions would replace: pass a VGG or ZF, or give that layer another name."
        )
    return _cut_before_last_pooling(net, stages, FC_FAMILIES[window], dropout_rate)


def classified_net(backbone: str | keras.Model) -> keras.Model:
    """Returns the net that a detector is made from: see `make_backbone`."""
    if not isinstance(backbone, keras.Model) and backbone not in backbone_names():
        raise ArgumentError(
            f"backbone={backbone!r} is unknown: use {', '.join(backbone_names())}, or a keras.Model of this package."
        )
    return _without_skipping(backbone) if isinstance(backbone, keras.Model) else backbone_net(backbone)


def _without_skipping(net: keras.Model) -> keras.Model:
    """Returns a net whose strided 1x1 convolutions are this package's `Conv2D`.

    A net from an older file, which has Keras's, is copied with its weights; another net is returned itself.
    """
    if not any(map(skips_pixels, leaf_layers(net))):
        return net

    def replace(layer):
        return Conv2D.from_config(layer.get_config()) if skips_pixels(layer) else clone(layer)

    copy = copy_of(net, replace)
    copy_weights(net, copy)
    return copy


def _cut_before_last_stage(net, stages):
    """conv1 to conv4 for the image, conv5 for its regions (arXiv 1512.03385, appendix A)."""
    features = net.get_layer(stages[-2]).output
    trunk = keras.Model(net.input, features, name="trunk")
    return Backbone(net, trunk, CONV5_POOL_SIZE, features, global_average(net.output))


def _cut_before_last_pooling(net, stages, family, dropout_rate):
    """All convolutions for the image; fc6 and fc7 for its regions, whose pooling replaces the last one."""
    features = net.get_layer(stages[-1]).output
    pooled = keras.Input((family.pool_size, family.pool_size, features.shape[-1]))
    head = fully_connected(dropout_rate, family.units_per_filter * features.shape[-1])
    trunk = keras.Model(net.input, features, name="trunk")
    parts = Backbone(net, trunk, family.pool_size, pooled, head(pooled))
    if not parts.covers_the_image:
        raise ArgumentError(
            f"backbone={net.name} has layers without padding, so regions would be pooled at shifted positions: pad "
            "them, those of ZFNet by padding='faster_rcnn'."
        )
    return parts


def backbone_net(name: str, **arguments: Any) -> keras.Model:
    """Returns a net of the registry without its classifier, as a detector takes it.

    Args:
        name: one of `backbone_names()`.
        **arguments: more arguments of its builder.
    """
    fixed = next((family.arguments for family in FC_FAMILIES.values() if name in family.names), {})
    return registry.create_model(name, include_top=False, **fixed, **arguments)


def classification_net(name: str, **arguments: Any) -> keras.Model:
    """Returns a net of the registry with all layers that a detector takes weights from: see `backbone_net`."""
    return registry.create_model(name, include_top=name in WITH_FULLY_CONNECTED, **arguments)


def load_backbone(detector: keras.Model, net: keras.Model, weights: str | os.PathLike[str]) -> None:
    """Loads the weights of a classification net into a detector that is made from it.

    Args:
        detector: a model with that net's layers. Layers that the net lacks, or has in another size, do not change.
        net: a new net of the same architecture, into which the weights are loaded first.
        weights: the path of a file. The classes of its classifier do not matter.

    Raises:
        ArgumentError: (a ValueError) if the weights do not fit the net.
    """
    load_weights(net, weights, new_classifier=True)
    sources = {layer.name: layer for layer in net.layers if layer.weights}
    for layer in leaf_layers(detector):
        source = sources.get(layer.name)
        if source is not None and _shapes(source) == _shapes(layer):
            layer.set_weights(source.get_weights())


def _shapes(layer):
    return [tuple(weight.shape) for weight in layer.weights]
