"""Giving a tensor the name of a layer."""

import keras


def named(x, name):
    """Returns `x` as the output of a layer called `name`, for `model.get_layer(name).output`."""
    return keras.layers.Identity(name=name)(x)
