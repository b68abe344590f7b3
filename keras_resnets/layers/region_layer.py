"""The base classes of layers that pool regions of a map or of an image."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_resnets.errors import ArgumentError
from keras_resnets.values import POSITIVE, POSITIVE_INTEGER


class RegionLayer(keras.layers.Layer):
    """A layer from `features` (B, H, W, C) and `rois` (B, R, 4) to (B, R, P, P, C).

    Args:
        pool_size: P, bins on each side.

    Raises:
        ArgumentError: (a ValueError) for a size that is not a positive integer.
    """

    def __init__(self, pool_size: int, **kwargs: Any):
        # Autocasting would round the coordinates of regions to the compute dtype: bfloat16 has no 1,001.
        super().__init__(autocast=False, **kwargs)
        POSITIVE_INTEGER.check("pool_size", pool_size)
        self.pool_size = pool_size

    def build(self, features_shape, rois_shape=None):
        check_size(features_shape)

    def call(self, features, rois):
        check_size(features.shape)  # A detector takes the layer for built.
        # Proposals carry no gradient.
        return self.pool(features, tf.stop_gradient(tf.cast(rois, tf.float32)))

    def pool(self, features: Any, rois: tf.Tensor) -> tf.Tensor:
        """Returns (B, R, P, P, C) for float32 regions."""
        raise NotImplementedError

    def compute_output_shape(self, features_shape, rois_shape):
        return (*rois_shape[:2], self.pool_size, self.pool_size, features_shape[-1])

    def get_config(self):
        return {**super().get_config(), "pool_size": self.pool_size}


class RoILayer(RegionLayer):
    """A `RegionLayer` for regions of interest: they are in pixels of the image, and the features are a map of it.

    Args:
        pool_size: P, bins on each side.
        stride: pixels of the image per cell of the map.

    Raises:
        ArgumentError: (a ValueError) for a size that is not a positive integer, or a stride that is not positive.
    """

    def __init__(self, pool_size: int, stride: float, **kwargs: Any):
        super().__init__(pool_size, **kwargs)
        POSITIVE.check("stride", stride)
        self.stride = stride

    def get_config(self):
        return {**super().get_config(), "stride": self.stride}


def check_size(features_shape: Sequence[int | None]) -> None:
    """Raises ArgumentError for features (B, H, W, C) whose height or width is unknown."""
    if None in features_shape[1:3]:
        raise ArgumentError(f"features has the shape {features_shape}: its height and width must be known.")
