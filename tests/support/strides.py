"""Which convolutions leave pixels out."""

import keras

from keras_resnets.models.nesting import leaf_layers


def skipping_convolutions(model):
    """Returns the names of the convolutions whose strides are larger than their kernel: see `residual.subsample`."""
    convolutions = [layer for layer in leaf_layers(model) if isinstance(layer, keras.layers.Conv2D)]
    return [layer.name for layer in convolutions if any(s > k for s, k in zip(layer.strides, layer.kernel_size))]
