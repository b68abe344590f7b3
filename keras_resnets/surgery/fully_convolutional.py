"""Nets that were made for images of one size, on images of any size."""

import itertools

import keras

from keras_resnets.errors import ArgumentError
from keras_resnets.surgery.graph import check_flat, clone, copy_of, copy_weights

WITHOUT_EFFECT = (keras.layers.Dropout, keras.layers.GlobalAveragePooling2D)  # on one position, in inference


def any_size(model: keras.Model) -> keras.Model:
    """Returns a copy of a net that takes images of any size.

    Args:
        model: a built functional `keras.Model` of layers only, with one input (B, H, W, C).

    Returns:
        A `keras.Model` with the same layers and weights; its input is (B, any, any, C).

    Raises:
        ArgumentError: (a ValueError) if the classifier is for maps of one size, as VGG's is, or the model is not
            functional, or has nested models or several inputs.
    """
    check_flat(model)
    if any(isinstance(layer, keras.layers.Flatten) and len(layer.input.shape) == 4 for layer in model.layers):
        raise ArgumentError(f"{model.name} takes images of {model.input_shape[1]} pixels only.")
    copy = copy_of(model, batch_shape=_any_size_of(model))
    copy_weights(model, copy)
    return copy


def fully_convolutional(model: keras.Model) -> keras.Model:
    """Returns a copy of a net that classifies every position of an image of any size.

    This is how VGG is evaluated (arXiv 1409.1556, section 3.2). Dense layers become convolutions: the first one after a
    `Flatten` as large as the map was, all others 1x1. Global average pooling is left out. Where one dense layer follows
    it, the mean of the map of logits is the logits of the pooled map.

    Args:
        model: a built functional `keras.Model` of layers only, with one input (B, H, W, C) and one output, the logits
            (B, classes).

    Returns:
        A `keras.Model` from images (B, any, any, C) to a map of logits (B, h, w, classes), for inference.

    Raises:
        ArgumentError: (a ValueError) if the net has something else between its last map and the logits, returns
            anything but logits, is not functional, or has nested models or several inputs.
    """
    check_flat(model)
    if len(model.outputs) > 1:
        raise ArgumentError(f"{model.name} has {len(model.outputs)} outputs: build it without an auxiliary head.")
    # Layers are in the order of computation.
    head = [*itertools.takewhile(lambda layer: len(layer.output.shape) == 2, reversed(model.layers))][::-1]
    if not head:
        raise ArgumentError(f"{model.name} has no classifier: build it with include_top=True.")
    if getattr(head[-1], "activation", keras.activations.linear) is not keras.activations.linear:
        raise ArgumentError(f"{model.name} does not end in logits: build it with classifier_activation=None.")
    convolutions, kernel_size = {}, (1, 1)
    for layer in head:
        if isinstance(layer, keras.layers.Flatten):
            kernel_size = layer.input.shape[1:3]
        elif isinstance(layer, keras.layers.Dense):
            convolutions[layer.name], kernel_size = _convolution(layer, kernel_size), (1, 1)
        elif not isinstance(layer, WITHOUT_EFFECT):
            raise ArgumentError(f"{model.name} has {layer.name} before its classifier, which is for whole images.")
    left_out = {layer.name for layer in head} - convolutions.keys()

    def call(layer, *args, **kwargs):
        return args[0] if layer.name in left_out else layer(*args, **kwargs)

    copy = copy_of(model, lambda layer: convolutions.get(layer.name) or clone(layer), call, _any_size_of(model))
    copy_weights(model, copy, skip=convolutions)
    for name, convolution in convolutions.items():
        kernel, *bias = model.get_layer(name).get_weights()
        convolution.set_weights([kernel.reshape(convolution.kernel.shape), *bias])
    return copy


def _any_size_of(model):
    batch, _, _, channels = model.input_shape
    return batch, None, None, channels


def _convolution(dense, kernel_size):
    """Returns a convolution that computes at every position what a dense layer does, without its weights."""
    return keras.layers.Conv2D(
        dense.units,
        kernel_size,
        activation=dense.activation,
        use_bias=dense.use_bias,
        kernel_initializer="zeros",  # Zeros are quick to draw, and replaced.
        dtype=dense.dtype_policy,
        name=dense.name,
    )
