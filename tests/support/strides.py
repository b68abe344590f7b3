"""Convolutions that skip pixels: `keras_resnets.layers.Conv2D` says why there must be none."""

import tensorflow as tf

from keras_resnets.layers.conv2d import skips_pixels
from keras_resnets.surgery.graph import leaf_layers


def skipping_convolutions(model):
    """Returns the names of the layers that skip pixels."""
    return [layer.name for layer in leaf_layers(model) if skips_pixels(layer)]


def convolutions_of_gradients(function, *arguments):
    """Returns (kernel's height and width, strides) of each gradient of a kernel in a function's graph, a list."""
    graph = tf.function(function).get_concrete_function(*arguments).graph
    return [
        (tuple(operation.outputs[0].shape[:2]), tuple(operation.get_attr("strides")[1:3]))
        for operation in graph.get_operations()
        if operation.type == "Conv2DBackpropFilter"
    ]
