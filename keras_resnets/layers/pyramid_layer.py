"""The base class of layers that pool regions of a feature pyramid, and the level of each region."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_resnets.errors import ArgumentError
from keras_resnets.layers.region_layer import RegionLayer, check_size
from keras_resnets.ops import boxes
from keras_resnets.values import POSITIVE

CANONICAL_STRIDE = 16  # px per cell of the level at which regions of the canonical size are pooled
EPSILON = 1e-6  # so that regions of exactly 2**k times the canonical size are not rounded down


class PyramidLayer(RegionLayer):
    """A layer from the maps of a feature pyramid and regions to features of bins.

    Each region is pooled at one level: that of stride 16 if its area is that of the canonical square (224 pixels on
    each side, which is what nets see in pretraining), one level finer for half the side, and so on (FPN, arXiv
    1612.03144, equation 1).

    Inputs: `features`, a list of (B, h, w, C) of a floating dtype, h and w known, one for each stride; more maps, such
    as P6, are not used. `rois` (B, R, 4) float32, [x1, y1, x2, y2] in pixels of the image. Output: (B, R, P, P, C) of
    the features' dtype.

    Args:
        pool_size: P, bins on each side.
        strides: pixels of the image per cell of each map, rising powers of two.
        canonical_size: side of the canonical square, in pixels.

    Raises:
        ArgumentError: (a ValueError) for numbers that cannot work; when called on features whose height or width is
            unknown, or on too few maps.
    """

    def __init__(
        self, pool_size: int, strides: Sequence[int] = (4, 8, 16, 32), canonical_size: float = 224.0, **kwargs: Any
    ):
        super().__init__(pool_size, **kwargs)
        POSITIVE.check("canonical_size", canonical_size)
        self.strides, self.canonical_size = tuple(strides), canonical_size
        finest = self.strides[0] if self.strides else 0
        is_power = finest > 0 and math.log2(finest) % 1 == 0
        if not is_power or self.strides != tuple(finest * 2**level for level in range(len(self.strides))):
            raise ArgumentError(f"strides={self.strides} must be powers of two, each twice the one before it.")

    def build(self, features_shape, rois_shape=None):
        for shape in self._used(features_shape):
            check_size(shape)

    def call(self, features, rois):
        features = self._used(features)
        for part in features:
            check_size(part.shape)  # A detector takes the layer for built.
        rois = tf.stop_gradient(tf.cast(rois, tf.float32))  # Proposals carry no gradient.
        # What is no number has no level and no cells, and a gather would fail.
        return self.pool(features, tf.where(tf.math.is_finite(rois), rois, 0.0))

    def _used(self, features):
        if len(features) < len(self.strides):
            raise ArgumentError(f"features has {len(features)} maps: pass {len(self.strides)}, one for each stride.")
        return features[: len(self.strides)]

    def levels(self, rois: tf.Tensor) -> tf.Tensor:
        """Returns the index (B, R) int32 of the map at which each region is pooled."""
        finest = np.log2(CANONICAL_STRIDE / self.strides[0])
        sides = tf.sqrt(boxes.areas(rois))
        levels = tf.floor(finest + tf.math.log(sides / self.canonical_size) / math.log(2.0) + EPSILON)
        return tf.cast(tf.clip_by_value(levels, 0, len(self.strides) - 1), tf.int32)

    def compute_output_shape(self, features_shape, rois_shape):
        return super().compute_output_shape(features_shape[0], rois_shape)

    def get_config(self):
        return {**super().get_config(), "strides": self.strides, "canonical_size": self.canonical_size}
