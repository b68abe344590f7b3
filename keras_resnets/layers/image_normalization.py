"""Normalization of images that are padded to one canvas."""

import dataclasses
from typing import Any

import keras
import tensorflow as tf

from keras_resnets.normalization import Normalization


@keras.saving.register_keras_serializable(package="keras_resnets")
class ImageNormalization(keras.layers.Layer):
    """(images - mean) / std, and zeros where a canvas has no image, as in the padding of convolutions.

    Inputs: `images` (B, H, W, 3) RGB, 0..255, any number type; `image_shapes` (B, 2), the height and width of the image
    in the top left corner of each canvas. Output: (B, H, W, 3) of the layer's compute dtype.

    Args:
        mean: mean of each channel (red, green, blue), in 0..255.
        std: standard deviation of each channel, in 0..255.
        bgr: whether the output has the channels in the order blue, green, red.

    Raises:
        ArgumentError: (a ValueError) for other than three numbers, or a standard deviation that is not positive.
    """

    def __init__(
        self,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        bgr: bool = False,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        self.normalization = Normalization(mean, std, bgr)

    def call(self, images, image_shapes):
        normalized = self.normalization.normalize(images)
        height, width = tf.unstack(tf.shape(images)[1:3])
        shapes = tf.cast(image_shapes, tf.int32)
        rows, columns = (tf.range(size) < shapes[:, i, tf.newaxis] for i, size in enumerate((height, width)))
        inside = rows[:, :, tf.newaxis] & columns[:, tf.newaxis]
        return tf.cast(tf.where(inside[..., tf.newaxis], normalized, 0.0), self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), **dataclasses.asdict(self.normalization)}
