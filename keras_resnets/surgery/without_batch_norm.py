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
        ArgumentError: (a ValueError) if the model is not functional, or has nested models or several inputs.
    """
    check_flat(model)

    def replace(layer):
        if isinstance(layer, keras.layers.BatchNormalization):
            return keras.layers.Identity(
                dtype=layer.dtype_policy.name, name=layer.name
            )  # A policy has no configuration.
        return clone(layer)

    def call(layer, *args, **kwargs):
        # Batch normalization is called with arguments that an identity does not have.
        return layer(args[0]) if isinstance(layer, keras.layers.Identity) else layer(*args, **kwargs)

    return copy_of(model, replace, call)
