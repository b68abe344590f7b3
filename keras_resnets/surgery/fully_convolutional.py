"""Nets that were made for images of one size, on images of any size."""

import itertools

import keras

from keras_resnets.errors import ArgumentError
from keras_resnets.surgery.graph import check_functional

WITHOUT_EFFECT = (keras.layers.Dropout, keras.layers.GlobalAveragePooling2D)  # on one position, in inference


def any_size(model):
    """Returns a copy of a net that takes images of any size.

    Args:
        model: a built functional `keras.Model` with one input (B, H, W, C).

    Returns:
        A `keras.Model` with the same layers and weights; its input is (B, any, any, C).

    Raises:
        ArgumentError: (a ValueError) if the classifier is for maps of one size, as VGG's is, or the model is not
            functional.
    """
    check_functional(model)
    if any(isinstance(layer, keras.layers.Flatten) and len(layer.input.shape) == 4 for layer in model.layers):
        raise ArgumentError(f"{model.name} takes images of {model.input_shape[1]} pixels only.")
    config = model.get_config()
    for entry in config["layers"]:
        if entry["class_name"] == "InputLayer":
            batch, _, _, channels = entry["config"]["batch_shape"]
            entry["config"]["batch_shape"] = (batch, None, None, channels)
    copy = keras.Model.from_config(config)
    copy.set_weights(model.get_weights())
    return copy


def fully_convolutional(model):
    """Returns a copy of a net that classifies every position of an image of any size.

    VGG (arXiv 1409.1556, section 3.2) is evaluated so. Dense layers become convolutions: the first one after a
    `Flatten` as large as the map was, all others 1x1. Global average pooling is left out. Where one dense layer follows
    it, the mean of the map of logits is the logits of the pooled map.

    Args:
        model: a built functional `keras.Model` of one input (B, H, W, C) and logits (B, classes).

    Returns:
        A `keras.Model` from images (B, any, any, C) to a map of logits (B, h, w, classes), for inference.

    Raises:
        ArgumentError: (a ValueError) if the net has something else between its last map and the logits, or is not
            functional.
    """
    check_functional(model)
    # Layers are in the order of computation.
    head = [*itertools.takewhile(lambda layer: len(layer.output.shape) == 2, reversed(model.layers))][::-1]
    if not head:
        raise ArgumentError(f"{model.name} has no classifier: build it with include_top=True.")
    trunk = any_size(keras.Model(model.input, head[0].input))
    x, kernel_size = trunk.output, (1, 1)
    for layer in head:
        if isinstance(layer, keras.layers.Flatten):
            kernel_size = layer.input.shape[1:3]
        elif isinstance(layer, keras.layers.Dense):
            x, kernel_size = _convolution(layer, kernel_size, x), (1, 1)
        elif not isinstance(layer, WITHOUT_EFFECT):
            raise ArgumentError(f"{model.name} has {layer.name} before its classifier, which is for whole images.")
    return keras.Model(trunk.input, x, name=model.name)


def _convolution(dense, kernel_size, x):
    """Returns what a convolution says that computes at every position what a dense layer does."""
    convolution = keras.layers.Conv2D(
        dense.units,
        kernel_size,
        activation=dense.activation,
        use_bias=dense.use_bias,
        kernel_initializer="zeros",  # That is quick.
        dtype=dense.dtype_policy,
        name=dense.name,
    )
    y = convolution(x)
    kernel, *bias = dense.get_weights()
    convolution.set_weights([kernel.reshape(convolution.kernel.shape), *bias])
    return y
