"""Which convolutions leave pixels out: `keras_resnets.layers.Conv2D` says why none may."""

import keras
import tensorflow as tf

from keras_resnets.layers import Conv2D
from keras_resnets.models.nesting import leaf_layers


def skipping_convolutions(model):
    """Returns the names of layers that ask for a convolution whose strides are larger than its kernel."""
    return [
        layer.name
        for layer in leaf_layers(model)
        if isinstance(layer, keras.layers.Conv2D)
        and any(s > k for s, k in zip(layer.strides, layer.kernel_size))
        and not (isinstance(layer, Conv2D) and layer.kernel_size == (1, 1))
    ]


def convolutions_of_gradients(function, *arguments):
    """Returns (kernel's height and width, strides) of all gradients of kernels in the graph of a function."""
    graph = tf.function(function).get_concrete_function(*arguments).graph
    return [
        (tuple(operation.outputs[0].shape[:2]), tuple(operation.get_attr("strides")[1:3]))
        for operation in graph.get_operations()
        if operation.type == "Conv2DBackpropFilter"
    ]
