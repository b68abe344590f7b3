"""The cost of a net, as the papers count it."""

import math

import keras

from keras_resnets.errors import ArgumentError
from keras_resnets.surgery.graph import check_functional


def multiply_adds(model: keras.Model) -> int:
    """Returns the multiply-adds of convolutions and dense layers for one image, which the papers call "FLOPs".

    Biases, batch normalization, pooling and additions are not counted.

    Args:
        model: a functional `keras.Model` whose input has a height and a width.

    Raises:
        ArgumentError: (a ValueError) if the input's height or width is None, or the model is not functional.
    """
    check_functional(model)
    if None in model.input_shape[1:]:
        raise ArgumentError(f"model {model.name} has the input {model.input_shape}: build it with an input_shape.")
    return sum(_of_layer(layer) for layer in model.layers)


def _of_layer(layer):
    if isinstance(layer, keras.layers.Conv2D):
        return math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:3])
    if isinstance(layer, keras.layers.Dense):
        return math.prod(layer.kernel.shape)
    return 0
