"""The network that classifies a region: from its pooled features to logits and deltas.

It is in two parts. Between them, the features of a region at several scales of the image are merged by maxout, and
those of the whole image are concatenated.
"""

from collections.abc import Callable
from typing import Any

import keras

from keras_resnets.detection.backbones import Backbone
from keras_resnets.detection.options import RegionOptions
from keras_resnets.initializers import IdentityConvolution
from keras_resnets.layers.batch_normalization import BatchNormalization
from keras_resnets.models.blocks import fully_connected

HEAD_FC_NAMES = ("fc6", "fc7", "fc8")
Functions = list[Callable[[keras.KerasTensor], keras.KerasTensor]]


def mlp(options: RegionOptions) -> tuple[Functions, Functions]:
    """Returns both parts of the head with fully connected layers only (NoC, arXiv 1504.06066, "MLP").

    With three layers, the classifier included, it is Fast R-CNN's.
    """
    return [_fully_connected(options)], []


def conv(options: RegionOptions) -> tuple[Functions, Functions]:
    """Returns both parts of the head with 3x3 convolutions before fully connected layers (NoC, "ConvNet")."""
    return [*_convolutions(options), _fully_connected(options)], []


def conv_bn(options: RegionOptions) -> tuple[Functions, Functions]:
    """Returns both parts of the head whose convolutions have batch normalization, as in torchvision's "FPN V2"."""
    numbers = range(1, options.head_convolutions + 1)
    return [*(_normalized_convolution(f"head_conv{number}") for number in numbers), _fully_connected(options)], []


def maxout(options: RegionOptions) -> tuple[Functions, Functions]:
    """Returns both parts of `conv`, divided after the first convolution (NoC, "c256-mo-c256-f4096-f4096")."""
    first, *others = _convolutions(options)
    return [first], [*others, _fully_connected(options)]


FUNCTIONS = {
    "mlp": mlp,
    "conv": conv,
    "conv_bn": conv_bn,
    "maxout": maxout,
}  # by the names of `keras_resnets.detection.options.HEADS`


def _fully_connected(options):
    names = HEAD_FC_NAMES[: options.head_layers - 1]
    return fully_connected(options.dropout_rate, options.head_units, names)


def _convolutions(options):
    """Returns the functions of the convolutions, which are initialized as the identity.

    A trained network keeps its outputs when they are added, since its features are not negative. The paper adds them to
    a trained network, too.
    """

    def convolution(number):
        def apply(x):
            return keras.layers.Conv2D(
                x.shape[-1],
                3,
                padding="same",
                activation="relu",
                kernel_initializer=IdentityConvolution(),
                name=f"noc_conv{number}",
            )(x)

        return apply

    return [convolution(number) for number in range(1, options.head_convolutions + 1)]


def _normalized_convolution(name):
    def apply(x):
        x = keras.layers.Conv2D(
            x.shape[-1], 3, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
        )(x)
        x = BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x)
        return keras.layers.ReLU(name=f"{name}_relu")(x)

    return apply


def region_networks(
    backbone: Backbone, pooled_shape: tuple[int, ...], options: RegionOptions, num_classes: int
) -> tuple[keras.Model, keras.Model]:
    """Makes both parts of the network that classifies regions.

    Args:
        backbone: its own network of regions is used if there is no `head`.
        pooled_shape: shape of the pooled features of one region.
        options: the options of a detector.
        num_classes: K.

    Returns:
        A model from pooled features (N, ...) to region features (N, ...), and a model from these (with twice the
        channels if there is global context) to logits (N, K + 1) and deltas (N, K + 1, 4): see `box_predictor`.
    """
    pooled: Any = backbone.pooled
    region_features: Any = backbone.region_features
    later: Functions = []
    if options.head is not None:
        earlier, later = FUNCTIONS[options.head](options)
        pooled = region_features = keras.Input(pooled_shape)
        for function in earlier:
            region_features = function(region_features)
    channels = region_features.shape[-1] * (2 if options.global_context else 1)
    features = x = keras.Input((*region_features.shape[1:-1], channels))
    for function in later:
        x = function(x)
    return keras.Model(pooled, region_features, name="region_network"), box_predictor(features, x, num_classes)


def box_predictor(inputs: keras.KerasTensor, features: keras.KerasTensor, num_classes: int) -> keras.Model:
    """Ends a network of regions in two sibling layers (Fast R-CNN, arXiv 1504.08083, sections 2.1 and 4.1).

    Args:
        inputs: (N, ...), of N regions.
        features: (N, F), computed from `inputs`.
        num_classes: K.

    Returns:
        A model from `inputs` to logits (N, K + 1), the background first, and deltas (N, K + 1, 4), both float32. The
        deltas of the background are not used; Caffe's models have them, too.
    """

    def dense(units, stddev, name):
        initializer = keras.initializers.RandomNormal(stddev=stddev)
        precise = keras.config.dtype_policy().variable_dtype
        return keras.layers.Dense(units, kernel_initializer=initializer, dtype=precise, name=name)(features)

    logits = dense(num_classes + 1, 0.01, "class_logits")
    deltas = dense(4 * (num_classes + 1), 0.001, "box_deltas")
    deltas = keras.layers.Reshape((-1, 4), dtype=deltas.dtype, name="box_deltas_by_class")(deltas)
    return keras.Model(inputs, (logits, deltas), name="head")
