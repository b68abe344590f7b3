"""The cost of a net, as the papers count it."""

import math

import keras

from keras_resnets.errors import ArgumentError
from keras_resnets.surgery.graph import Call, calls, check_functional

NOT_COUNTED = (  # layers that have weights
    keras.layers.BatchNormalization,
    keras.layers.GroupNormalization,
    keras.layers.LayerNormalization,
    keras.layers.Normalization,
)


def multiply_adds(model: keras.Model) -> int:
    """Returns the multiply-adds of convolutions and dense layers for one image, which the papers call "FLOPs".

    Biases, normalization, pooling and additions are not counted. Nested models count, and a layer that is called twice
    counts twice.

    Args:
        model: a functional `keras.Model` whose input has a height and a width.

    Raises:
        ArgumentError: (a ValueError) if the input's height or width is None, the model is not functional, or a layer
            with weights is of a kind that cannot be counted: all but 2D convolutions and dense layers.
    """
    check_functional(model)
    if any(None in image.shape[1:] for image in model.inputs):
        raise ArgumentError(f"model {model.name} has the input {model.input_shape}: build it with an input_shape.")
    return sum(map(_of_call, calls(model)[0]))


def _of_call(call: Call) -> int:
    layer = call.layer
    if isinstance(layer, keras.Model):
        # A keras.Sequential becomes functional.
        nested = layer if isinstance(layer, keras.Function) else keras.Model(layer.inputs, layer.outputs)
        shape = call.inputs[0].shape if len(nested.inputs) == 1 else None
        return sum(map(_of_call, calls(nested, shape)[0]))
    if isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)):
        return math.prod(layer.kernel.shape) * math.prod(call.outputs.shape[1:3])
    if isinstance(layer, keras.layers.Dense):
        return math.prod(layer.kernel.shape) * math.prod(call.outputs.shape[1:-1])
    if getattr(layer, "weights", None) and not isinstance(layer, NOT_COUNTED):
        raise ArgumentError(
            f"layer {layer.name} is a {type(layer).__name__}, whose multiply-adds are unknown: pass a model without it."
        )
    return 0
