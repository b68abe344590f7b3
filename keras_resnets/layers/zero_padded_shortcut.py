"""The parameter-free shortcut between maps of different size and depth."""

from typing import Any

import keras

from keras_resnets.errors import ArgumentError


@keras.saving.register_keras_serializable(package="keras_resnets")
class ZeroPaddedShortcut(keras.layers.Layer):
    """Option A of the ResNet paper (section 3.3): every `strides`-th pixel, and zero channels up to `filters`.

    The new channels come after the old ones, as in the authors' Torch code; others put half of them on each side.

    Input (B, H, W, C) of a floating dtype, C <= filters; output (B, ceil(H / strides), ceil(W / strides), filters).

    Args:
        filters: number of output channels.
        strides: step between the remaining pixels.

    Raises:
        ArgumentError: (a ValueError) when called on more channels than `filters`.
    """

    def __init__(self, filters: int, strides: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.filters = filters
        self.strides = strides

    def build(self, input_shape):
        if input_shape[-1] > self.filters:
            raise ArgumentError(
                f"filters={self.filters} is less than the input's {input_shape[-1]} channels, which option A cannot "
                'drop: use shortcut="B".'
            )

    def call(self, x):
        new_channels = self.filters - x.shape[-1]
        # A pooling of one pixel, as in the authors' Torch code: the gradient of a slice takes several times as long.
        x = keras.ops.average_pool(x, 1, self.strides)
        return keras.ops.pad(x, [[0, 0], [0, 0], [0, 0], [0, new_channels]])

    def compute_output_shape(self, input_shape):
        batch, *sizes, _ = input_shape
        return (batch, *(None if n is None else -(-n // self.strides) for n in sizes), self.filters)

    def get_config(self):
        return {**super().get_config(), "filters": self.filters, "strides": self.strides}
