"""Spatial pyramid pooling of a map or of its windows."""

import functools
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_resnets.errors import ArgumentError
from keras_resnets.layers.region_layer import check_size
from keras_resnets.ops.bin_maxima import bin_edges, bin_maxima
from keras_resnets.values import POSITIVE_INTEGER


@keras.saving.register_keras_serializable(package="keras_resnets")
class SpatialPyramidPooling(keras.layers.Layer):
    """The largest value in each bin of grids of several sizes (SPPnet, arXiv 1406.4729, section 2.2).

    The result is the paper's vector for fully connected layers: M bins of C channels are M * C values (50 bins and 256
    filters: 12,800), sorted by level in the order of `levels`, then by row, column and channel.

    Bin p of a level n covers the cells from floor(p * size / n) to ceil((p + 1) * size / n) along each side, so that
    no bin is empty, and bins may overlap. (For training with images of one size, the paper has another rule: windows of
    ceil(size / n) and steps of floor(size / n) cells. It gives the same bins for 13 cells and 1, 2, 3, 4 or 6 bins, but
    for 10 cells and 4 bins it misses the last cell.)

    A window has the cells whose receptive fields have their centers strictly inside of it (appendix A: cells
    floor(x / S) + 1 to ceil(x / S) - 1, where S is the stride). With padding by half of each filter, the center of cell
    i is pixel S * i, both counted from 0. The paper's x counts pixels, and the center of a pixel is at its number + 1/2
    in coordinates where the width is x2 - x1, so 1/2 is subtracted from them. Thus a window with integer corners has
    the cells i with x1 <= S * i < x2, and the whole image has the whole map. A window between centers has the cell
    nearest to its middle. Windows are clipped to the map before they are divided into bins.

    The gradient goes to cells with the largest value; coordinates get none. The layer compiles under XLA.

    Input: `features` (B, H, W, C) of a floating dtype, and optionally `rois` (B, R, 4) float32, [x1, y1, x2, y2] in
    pixels of the image; with them, H and W must be known. Output, of the features' dtype: (B, M * C) for the whole map,
    (B, R, M * C) for windows.

    Args:
        levels: number of bins on each side, for each level of the pyramid.
        stride: pixels of the image per cell of the map, an integer; only windows need it.

    Raises:
        ArgumentError: (a ValueError) for impossible levels or strides; when called on windows without a stride, or on
            windows of features whose height or width is unknown.
    """

    def __init__(self, levels: Sequence[int] = (1, 2, 3, 6), stride: int | None = None, **kwargs: Any):
        # Autocasting would round the coordinates of windows to the compute dtype: bfloat16 has no 1,001.
        super().__init__(autocast=False, **kwargs)
        if not levels or not all(map(POSITIVE_INTEGER.contain, levels)):
            raise ArgumentError(f"levels={levels!r} must be a list of positive integers, such as (1, 2, 3, 6).")
        if stride is not None:
            POSITIVE_INTEGER.check("stride", stride)
        self.levels = tuple(levels)
        self.stride = stride

    def build(self, features_shape, rois_shape=None):
        if rois_shape is not None:
            self._check_windows(features_shape)

    def call(self, features, rois=None):
        if rois is None:
            return _pyramid(self.levels, functools.partial(map_maxima, features))
        # The layer may have been built for the whole map.
        self._check_windows(features.shape)
        rois = tf.cast(rois, tf.float32)
        rows, columns = (
            _window(rois[..., side], rois[..., side + 2], self.stride, size)
            for side, size in ((1, features.shape[1]), (0, features.shape[2]))
        )
        pooled = _pyramid(self.levels, functools.partial(bin_maxima, features, rows, columns))
        batch, windows = tf.shape(rois)[0], rois.shape[1] or tf.shape(rois)[1]
        return tf.reshape(pooled, [batch, windows, pooled.shape[-1]])

    def _check_windows(self, features_shape):
        if self.stride is None:
            raise ArgumentError("stride=None is for the whole map: windows need one, such as stride=16.")
        check_size(features_shape)

    def compute_output_shape(self, features_shape, rois_shape=None):
        windows = () if rois_shape is None else (rois_shape[1],)
        return (features_shape[0], *windows, sum(level**2 for level in self.levels) * features_shape[-1])

    def get_config(self):
        return {**super().get_config(), "levels": self.levels, "stride": self.stride}


def _window(low, high, stride, size):
    """Returns the first cell and the number of cells of each window along one side of the map: both (B, R) int32."""
    # floor(x / S) is floor(floor(x) / S), so the divisions are of integers and exact.
    first = _integer(tf.floor(low - 0.5)) // stride + 1
    last = -(-_integer(tf.math.ceil(high - 0.5)) // stride) - 1
    nearest = _integer(tf.floor(low + high - 1 + stride)) // (2 * stride)
    first, last = tf.minimum(first, nearest), tf.maximum(last, nearest)
    first, last = (tf.clip_by_value(edge, 0, size - 1) for edge in (first, last))
    return first, last - first + 1


def _integer(x):
    return tf.cast(x, tf.int32)


def map_maxima(features: tf.Tensor, bins: int) -> tf.Tensor:
    """Returns the largest value in each bin of the whole map: (B, bins, bins, C)."""
    for axis in (1, 2):
        size = features.shape[axis] or tf.shape(features)[axis]
        slices = (slice(*bin_edges(p, bins, size)) for p in range(bins))
        maxima = [tf.reduce_max(features[(slice(None),) * axis + (cells,)], axis=axis) for cells in slices]
        features = tf.stack(maxima, axis=axis)
    return features


def _pyramid(levels, maxima):
    """Returns (N, M * C) for N windows; `maxima` returns their (..., n, n, C) for n bins on each side."""
    pooled: dict[int, tf.Tensor] = {}
    for level in sorted(levels, reverse=True):
        # The bins of a multiple of the level divide the level's bins.
        finer = [n for n in pooled if n % level == 0]
        pooled[level] = _coarser(pooled[min(finer)], level) if finer else maxima(level)
    return tf.concat([tf.reshape(pooled[n], [-1, n * n * pooled[n].shape[-1]]) for n in levels], axis=-1)


def _coarser(pooled, level):
    """Returns the maxima (N, level, level, C) from maxima (..., n, n, C), where n is a multiple of the level."""
    bins, channels = pooled.shape[-2:]
    ratio = bins // level
    return tf.nn.max_pool2d(tf.reshape(pooled, [-1, bins, bins, channels]), ratio, ratio, "VALID")
