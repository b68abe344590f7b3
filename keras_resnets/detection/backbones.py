"""Classification nets as the two parts of a detector: a trunk for the image, and a network for each region."""

import dataclasses
import math
import re

import keras

from keras_resnets.errors import ArgumentError
from keras_resnets.models import registry
from keras_resnets.models.fully_connected import fully_connected
from keras_resnets.models.image_model import global_average
from keras_resnets.models.nesting import leaf_layers
from keras_resnets.weights import load_weights

CONV5_POOL_SIZE = 14  # conv5_1 has stride 2: its output has 7x7 cells
FC_POOL_SIZES = {"vgg16": 7, "vgg19": 7, "zfnet": 6}
PROBE = 512  # px, the side of an image that tells a trunk's stride


def backbone_names():
    """Returns the names that a detector's `backbone` can be."""
    return [*(name for name in registry.names() if name.startswith("resnet")), *FC_POOL_SIZES]


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A net cut in two.

    Attributes:
        trunk: `keras.Model` from normalized images (B, H, W, 3) to features (B, h, w, C).
        pooled: Keras tensor (N, P, P, C) of pooled features.
        region_features: Keras tensor (N, F), made of it.
        pool_size: the P that the net is made for.
    """

    trunk: keras.Model
    pooled: keras.KerasTensor
    region_features: keras.KerasTensor
    pool_size: int

    def check_pool_size(self, pool_size):
        """Raises ArgumentError if the network of regions cannot take so many bins on each side."""
        if self.pooled.shape[1] not in (None, pool_size):
            raise ArgumentError(f"pool_size={pool_size} must be {self.pool_size} for fc6, which is as large as that.")

    @property
    def stride(self):
        """Pixels of the image for one cell of the features, a power of two."""
        height = self.trunk.compute_output_shape((1, PROBE, PROBE, 3))[1]
        return 2 ** round(math.log2(PROBE / height))


def make_backbone(backbone, dropout_rate=0.5):
    """Cuts a net in two.

    Args:
        backbone: one of `backbone_names()`, or a net of this package without its classifier, whose last stage becomes
            the network of regions.
        dropout_rate: after fc6 and fc7.

    Returns:
        A `Backbone`.

    Raises:
        ArgumentError: (a ValueError) if there is no such net, or it cannot be cut.
    """
    if isinstance(backbone, keras.Model):
        return _cut_before_last_stage(backbone)
    if backbone not in backbone_names():
        raise ArgumentError(
            f"backbone={backbone!r} is unknown: use {', '.join(backbone_names())}, or a keras.Model of this package."
        )
    if backbone in FC_POOL_SIZES:
        return _cut_before_last_pooling(backbone, dropout_rate)
    return _cut_before_last_stage(registry.create_model(backbone, include_top=False))


def _cut_before_last_stage(net):
    """conv1 to conv4 for the image, conv5 for its regions (arXiv 1512.03385, appendix A)."""
    stages = [layer.name for layer in net.layers if re.fullmatch(r"conv\d+_out", layer.name)]
    if len(stages) < 2 or len(net.output.shape) != 4:
        raise ArgumentError(
            f"backbone={net.name}, with the stages {', '.join(stages) or 'none'} and the output {net.output.shape}, "
            "cannot be cut before its last stage: pass a residual net with include_top=False."
        )
    features = net.get_layer(stages[-2]).output
    return Backbone(
        keras.Model(net.input, features, name="trunk"), features, global_average(net.output), CONV5_POOL_SIZE
    )


def _cut_before_last_pooling(name, dropout_rate):
    """All convolutions for the image, fc6 and fc7 for its regions, whose pooling takes the place of the last one."""
    padding = {"padding": "faster_rcnn"} if name == "zfnet" else {}
    net = registry.create_model(name, include_top=False, **padding)
    features = net.get_layer("conv5_out").output
    pool_size = FC_POOL_SIZES[name]
    pooled = keras.Input((pool_size, pool_size, features.shape[-1]))
    return Backbone(
        keras.Model(net.input, features, name="trunk"), pooled, fully_connected(dropout_rate)(pooled), pool_size
    )


def classification_net(name):
    """Returns a net of the registry with all layers that a detector takes from it."""
    return registry.create_model(name, include_top=name in FC_POOL_SIZES)


def load_backbone(detector, net, weights):
    """Gives a detector the weights of the classification net that it is made from.

    Args:
        detector: a `keras.Model` with that net's layers; those that the net does not have, or has in another size (fc6
            after other bins), stay as they are.
        net: a new net of the same kind, which is given the weights first.
        weights: the path of a file; the classes of its classifier do not matter.

    Raises:
        ArgumentError: (a ValueError) if the weights do not fit the net.
    """
    load_weights(net, weights, new_classifier=True)
    sources = {layer.name: layer for layer in net.layers if layer.weights}
    for layer in leaf_layers(detector):
        source = sources.get(layer.name)
        if source is not None and [w.shape for w in layer.weights] == [w.shape for w in source.weights]:
            layer.set_weights(source.get_weights())
