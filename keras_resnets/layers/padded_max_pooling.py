"""Max pooling with symmetric padding."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="keras_resnets")
class PaddedMaxPooling2D(keras.layers.Layer):
    """Max pooling of a map that is padded with minus infinity equally on all sides, as in PyTorch.

    Keras's "same" pads less at the top and left if the size is even, and zero padding would hide negative values at the
    border.

    Input (B, H, W, C) of a floating dtype; output (B, h, w, C), h = (H + 2 * padding - pool_size) // strides + 1.

    Args:
        pool_size: side of the window.
        strides: step between windows.
        padding: pixels on each side, at most half the window.
    """

    def __init__(self, pool_size: int, strides: int, padding: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.pool_size = pool_size
        self.strides = strides
        self.padding = padding

    def call(self, x):
        border = [self.padding, self.padding]
        x = keras.ops.pad(x, [[0, 0], border, border, [0, 0]], constant_values=float("-inf"))
        return keras.ops.max_pool(x, self.pool_size, self.strides)

    def compute_output_shape(self, input_shape):
        batch, *sizes, channels = input_shape
        grown = 2 * self.padding - self.pool_size
        return (batch, *(None if n is None else (n + grown) // self.strides + 1 for n in sizes), channels)

    def get_config(self):
        sizes = {"pool_size": self.pool_size, "strides": self.strides, "padding": self.padding}
        return {**super().get_config(), **sizes}
