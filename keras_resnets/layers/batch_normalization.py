"""Batch normalization by TensorFlow's fused kernel."""

from typing import Any

import keras
import tensorflow as tf

# Types of maps that the fused kernel takes.
FUSED_DTYPES = ("float32", "bfloat16", "float16")


@keras.saving.register_keras_serializable(package="keras_resnets")
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, which trains with one kernel of TensorFlow instead of ten operations.

    The function is the same. Maps of 16 bits stay in 16 bits, while Keras copies them to float32. Statistics are
    float32.

    The kernel takes maps (B, H, W, C) of float32, bfloat16 or float16 whose last axis is normalized. For other inputs,
    for synchronized replicas, and with moving statistics (in inference, and if `trainable` is False), the layer
    computes as Keras's does.

    The layer has the name of Keras's layer, since files of weights name layers by their class. Its arguments are those
    of `keras.layers.BatchNormalization`.
    """

    def call(self, inputs: tf.Tensor, training: bool | None = None, mask: Any = None) -> tf.Tensor:
        """Normalizes a map (B, H, W, C); returns one of the same shape, of the layer's compute dtype."""
        if not (training and self.trainable and mask is None and self._is_fused(inputs)):
            return super().call(inputs, training=training, mask=mask)
        channels = inputs.shape[-1]
        gamma = self.gamma if self.scale else keras.ops.ones(channels)
        beta = self.beta if self.center else keras.ops.zeros(channels)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=keras.ops.cast(gamma, "float32"),
            offset=keras.ops.cast(beta, "float32"),
            mean=tf.zeros([0]),
            variance=tf.zeros([0]),
            epsilon=self.epsilon,
        )
        self._move(self.moving_mean, mean)
        self._move(self.moving_variance, variance * biased_over_unbiased_variance(inputs))
        return keras.ops.cast(outputs, self.compute_dtype)

    def _is_fused(self, inputs):
        last_axis = len(inputs.shape) - 1
        return (
            last_axis == 3
            and self.axis in (-1, last_axis)
            and keras.backend.standardize_dtype(inputs.dtype) in FUSED_DTYPES
            and not (self.synchronized or self.renorm)
        )

    def _move(self, average, value):
        value = keras.ops.cast(value, average.dtype)
        average.assign(average * self.momentum + value * (1 - self.momentum))


def biased_over_unbiased_variance(inputs: tf.Tensor) -> float | tf.Tensor:
    """Returns (n - 1) / n. The fused kernel returns the unbiased variance, whose sum of squares is divided by n - 1.

    Args:
        inputs: map (B, H, W, C); n is B * H * W, with a static shape a Python number.
    """
    pixels = inputs.shape[:-1].num_elements()
    if not pixels:
        pixels = tf.cast(tf.size(inputs, tf.int64) // inputs.shape[-1], tf.float32)
    return (pixels - 1) / pixels
