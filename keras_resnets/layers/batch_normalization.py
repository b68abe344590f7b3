"""Batch normalization by TensorFlow's fused kernel."""

from typing import Any

import keras
import tensorflow as tf

FUSED_DTYPES = ("float32", "bfloat16", "float16")


@keras.saving.register_keras_serializable(package="keras_resnets")
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, which trains with one kernel of TensorFlow instead of ten operations.

    The function is the same. The kernel reads and writes maps in 16 bits, where Keras makes copies of them in 32, and
    computes means and variances in 32 bits.

    The kernel takes maps (B, H, W, C) of float32, bfloat16 or float16 whose last axis is normalized. For other inputs,
    for synchronized replicas, and with moving statistics (in inference, and if `trainable` is False), the layer
    computes as Keras's does. For arguments, see there. The layer has the name of Keras's layer, since files of weights
    name layers by their class.
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
        self._move(self.moving_variance, variance * bias_of_variance(inputs))
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
        average.assign(average * self.momentum + value * (1 - self.momentum))


def bias_of_variance(inputs: tf.Tensor) -> float | tf.Tensor:
    """Returns (n - 1) / n, the biased variance over the unbiased one, which the fused kernel returns.

    Args:
        inputs: map (B, H, W, C); n is B * H * W. If the map has a static shape, n costs no operations.
    """
    pixels = inputs.shape[:-1].num_elements()
    if pixels is None:
        pixels = tf.cast(tf.size(inputs, tf.int64) // inputs.shape[-1], tf.float32)
    return (pixels - 1) / pixels
