"""Models inside of models."""

import keras


def leaf_layers(model):
    """Returns the layers of a model, and in place of each model among them, that one's: a flat list."""
    layers = []
    for layer in model.layers:
        layers += leaf_layers(layer) if isinstance(layer, keras.Model) else [layer]
    return layers


def batch_normalizations(model):
    """Returns the layers of batch normalization among `leaf_layers`."""
    return [layer for layer in leaf_layers(model) if isinstance(layer, keras.layers.BatchNormalization)]
