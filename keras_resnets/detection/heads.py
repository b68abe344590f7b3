"""What is computed for each region, from its pooled features to the classes and corrections of its box.

It comes in two networks: between them, the features of the same region at two scales of the image are merged by
maxout, and those of the whole image are added.
"""

import keras

from keras_resnets.initializers import IdentityConvolution
from keras_resnets.models.blocks import fully_connected

FULLY_CONNECTED = ("fc6", "fc7", "fc8")


def mlp(options):
    """Fully connected layers, the classifier included (NoC, arXiv 1504.06066, "MLP"; three are Fast R-CNN's)."""
    return [_fully_connected(options)], []


def conv(options):
    """3x3 convolutions before the fully connected layers (NoC, "ConvNet")."""
    return [*_convolutions(options), _fully_connected(options)], []


def maxout(options):
    """As `conv`; two scales are merged after the first convolution (NoC, "c256-mo-c256-f4096-f4096")."""
    first, *others = _convolutions(options)
    return [first], [*others, _fully_connected(options)]


FUNCTIONS = {"mlp": mlp, "conv": conv, "maxout": maxout}


def _fully_connected(options):
    names = FULLY_CONNECTED[: options.head_layers - 1]
    return fully_connected(options.dropout_rate, options.head_units, names)


def _convolutions(options):
    """Each begins as the identity, so that a trained network without it has the same outputs.

    (That is so for features that are not negative, and the paper does it where the others are trained already.)
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


def region_networks(backbone, pooled_shape, options, num_classes):
    """Makes both networks of a detector.

    Args:
        backbone: a `keras_resnets.detection.backbones.Backbone`, whose own network of regions is used without a `head`.
        pooled_shape: of one region's pooled features.
        options: a `RegionOptions`.
        num_classes: K.

    Returns:
        Two `keras.Model`s: from pooled features (N, ...) to features (N, ...), and from these (twice as many channels
        with global context) to logits (N, K + 1) and deltas (N, K + 1, 4): see `siblings`.
    """
    pooled, region_features, later = backbone.pooled, backbone.region_features, []
    if options.head is not None:
        earlier, later = FUNCTIONS[options.head](options)
        pooled = region_features = keras.Input(pooled_shape)
        for function in earlier:
            region_features = function(region_features)
    channels = region_features.shape[-1] * (2 if options.global_context else 1)
    features = x = keras.Input((*region_features.shape[1:-1], channels))
    for function in later:
        x = function(x)
    return keras.Model(pooled, region_features, name="region_network"), siblings(features, x, num_classes)


def siblings(inputs, features, num_classes):
    """Ends a network of regions in its two siblings (Fast R-CNN, arXiv 1504.08083, sections 2.1 and 4.1).

    Args:
        inputs: Keras tensor (N, ...), of N regions.
        features: Keras tensor (N, F), made of `inputs`.
        num_classes: K.

    Returns:
        A `keras.Model` from `inputs` to logits (N, K + 1), the background first, and deltas (N, K + 1, 4), of which
        those of the background mean nothing (Caffe's have them, too), both float32.
    """

    def dense(units, stddev, name):
        initializer = keras.initializers.RandomNormal(stddev=stddev)
        precise = keras.config.dtype_policy().variable_dtype
        return keras.layers.Dense(units, kernel_initializer=initializer, dtype=precise, name=name)(features)

    logits = dense(num_classes + 1, 0.01, "class_logits")
    deltas = dense(4 * (num_classes + 1), 0.001, "box_deltas")
    deltas = keras.layers.Reshape((-1, 4), dtype=deltas.dtype, name="box_deltas_by_class")(deltas)
    return keras.Model(inputs, (logits, deltas), name="head")
