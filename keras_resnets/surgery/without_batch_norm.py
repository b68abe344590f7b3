"""Nets without their batch normalization."""

import keras

from keras_resnets.surgery.graph import check_flat, clone, copy_of


def without_batch_normalization(model: keras.Model) -> keras.Model:
    """Returns a new net like a model, with new weights, whose layers of batch normalization change nothing.

    Args:
        model: a functional net of layers only, with one input.

    Returns:
        A `keras.Model` with the same names of layers; `keras.layers.Identity` replaces batch normalization.

    Raises:
        ArgumentError: (a ValueError) if the model is not functional, or has models inside of it or several inputs.
    """
    check_flat(model)

    def replace(layer):
        is_normalization = isinstance(layer, keras.layers.BatchNormalization)
        return keras.layers.Identity(name=layer.name) if is_normalization else clone(layer)

    def call(layer, inputs, **arguments):
        # Batch normalization is called with arguments that an identity does not have.
        return layer(inputs) if isinstance(layer, keras.layers.Identity) else layer(inputs, **arguments)

    return copy_of(model, replace, call)
