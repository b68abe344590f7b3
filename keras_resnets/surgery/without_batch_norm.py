"""Nets without their batch normalization."""

import keras

from keras_resnets.surgery.graph import _check_flat


def without_batch_normalization(model):
    """Returns a new net like a model, with new weights, whose layers of batch normalization change nothing."""

    _check_flat(model)

    def copied(layer):
        if isinstance(layer, keras.layers.BatchNormalization):
            return keras.layers.Identity(name=layer.name)
        return type(layer).from_config(layer.get_config())

    def called(layer, inputs, **arguments):
        # Those of batch normalization's call are none of an identity's.
        return layer(inputs) if isinstance(layer, keras.layers.Identity) else layer(inputs, **arguments)

    return keras.models.clone_model(model, clone_function=copied, call_function=called)
