"""Exact max pooling of regions of interest, from ordinary operations."""

import keras
import tensorflow as tf

from keras_resnets.layers.region_layer import RegionLayer

SHORT = 16  # cells of a bin that are always possible, however small the map is


@keras.saving.register_keras_serializable(package="keras_resnets")
class RoIPooling(RegionLayer):
    """The largest value in each bin of each region (Fast R-CNN, arXiv 1504.08083, section 2.1), exactly as Caffe's.

    A region's corners are divided by the stride and rounded, halves away from zero; it spans both and has at least one
    cell. Bin p of P covers its cells from floor(p * size / P) to ceil((p + 1) * size / P), so that bins may overlap;
    what is outside of the map does not count, and a bin without cells is 0. A region of more than twice the map's
    length (which proposals, clipped to the image, never have) is cut to that. The gradient goes to one of the cells
    with the largest value; coordinates get none.

    The maxima over windows of 1, 2, 4, ... rows and columns are computed once for the whole map; any bin is the
    maximum of four of them, which may overlap. It needs no kernel of its own and compiles under XLA.

    Input: `features` (B, H, W, C) of a floating dtype, H and W known; `rois` (B, R, 4) float32, [x1, y1, x2, y2] in
    pixels of the image. Output: (B, R, P, P, C) of the features' dtype.

    Args:
        pool_size: P, bins on each side.
        stride: pixels of the image for one cell of the map.

    Raises:
        ArgumentError: (a ValueError) when called on features whose height or width is unknown.
    """

    def pool(self, features, rois):
        height, width = features.shape[1:3]
        x, column_level, no_columns = self._spans(rois[..., 0], rois[..., 2], width)
        y, row_level, no_rows = self._spans(rois[..., 1], rois[..., 3], height)
        levels = [self._levels(size) for size in (height, width)]
        table = _maxima(features, *levels)
        batch = tf.range(tf.shape(features)[0])[:, tf.newaxis, tf.newaxis, tf.newaxis]
        which = row_level[..., :, tf.newaxis] * levels[1] + column_level[..., tf.newaxis, :]
        base = (which * tf.shape(features)[0] + batch) * (height * width)
        corners = [
            tf.gather(table, base + top[..., :, tf.newaxis] * width + left[..., tf.newaxis, :])
            for top in y
            for left in x
        ]
        pooled = tf.maximum(tf.maximum(corners[0], corners[1]), tf.maximum(corners[2], corners[3]))
        empty = no_rows[..., :, tf.newaxis] | no_columns[..., tf.newaxis, :]
        return tf.where(empty[..., tf.newaxis], tf.zeros([], pooled.dtype), pooled)

    def _spans(self, low, high, size):
        """The cells of all bins along one side.

        Returns:
            The starts of the two windows that cover each bin, the windows' level, and which bins are empty: all
            (B, R, P).
        """
        # Integers: TensorFlow turns x / 7 into x * (1 / 7), and the ceiling of 15.000001 would move the edge.
        start, end = (_round(corner / self.stride) for corner in (low, high))
        length = tf.clip_by_value(end - start + 1, 1, self._longest(size))[..., tf.newaxis]
        bins = tf.range(self.pool_size)
        first = start[..., tf.newaxis] + bins * length // self.pool_size
        last = start[..., tf.newaxis] + -(-(bins + 1) * length // self.pool_size)
        first, last = (tf.clip_by_value(edge, 0, size) for edge in (first, last))
        cells = last - first
        level = sum(tf.cast(cells >= 2**k, tf.int32) for k in range(1, self._levels(size))) + tf.zeros_like(cells)
        second = last - tf.bitwise.left_shift(tf.ones_like(level), level)
        empty = cells <= 0
        return [tf.where(empty, 0, edge) for edge in (first, second)], level, empty

    def _levels(self, size):
        """How many windows there are: the largest power of two that fits into a bin of the longest region."""
        return min(-(-self._longest(size) // self.pool_size) + 1, size).bit_length()

    def _longest(self, size):
        return max(2 * size + 1, SHORT * self.pool_size)


def _round(x):
    """To the nearest integer, halves away from zero (tf.round goes to the even one)."""
    return tf.cast(tf.sign(x) * tf.floor(tf.abs(x) + 0.5), tf.int32)


def _maxima(features, row_levels, column_levels):
    """Returns (row levels * column levels * B * H * W, C): maxima over 2^i rows and 2^j columns from each cell on."""
    tables, rows = [], features
    for i in range(row_levels):
        rows = rows if i == 0 else _doubled(rows, 2 ** (i - 1), axis=1)
        columns = rows
        for j in range(column_levels):
            columns = columns if j == 0 else _doubled(columns, 2 ** (j - 1), axis=2)
            tables.append(columns)
    return tf.reshape(tf.stack(tables), [-1, features.shape[-1]])


def _doubled(maxima, window, axis):
    """Maxima over twice the window; those that would reach outside of the map are never asked for."""
    paddings = [[0, 0] for _ in range(4)]
    paddings[axis] = [0, window]
    start = [0] * 4
    start[axis] = window
    shifted = tf.slice(tf.pad(maxima, paddings), start, tf.shape(maxima))
    return tf.maximum(maxima, shifted)
