"""Local response normalization within a channel."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="keras_resnets")
class WithinChannelNormalization(keras.layers.Layer):
    """Caffe's LRN of the region "within channel": x / (1 + alpha * mean of x^2 over a window) ** beta.

    The window slides over the map of one channel, with zeros around it. The window of `tf.nn.lrn` slides over channels.

    Input and output (B, H, W, C) of a floating dtype.

    Args:
        window: side of the window, odd.
        alpha: factor of the mean square.
        beta: exponent.
    """

    def __init__(self, window: int = 3, alpha: float = 5e-5, beta: float = 0.75, **kwargs: Any):
        super().__init__(**kwargs)
        self.window = window
        self.alpha = alpha
        self.beta = beta

    def call(self, x):
        border = [self.window // 2, self.window // 2]
        # In float16, the squares of activations of 256 and more would be infinite.
        precise = keras.ops.cast(x, "float32")
        squares = keras.ops.pad(keras.ops.square(precise), [[0, 0], border, border, [0, 0]])
        mean_square = keras.ops.average_pool(squares, self.window, 1)
        return keras.ops.cast(precise / keras.ops.power(1 + self.alpha * mean_square, self.beta), x.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "window": self.window, "alpha": self.alpha, "beta": self.beta}
