"""Exact max pooling of regions of interest, from ordinary operations."""

import functools
import itertools

import keras
import numpy as np
import tensorflow as tf

from keras_resnets.layers.region_layer import RegionLayer

MARGIN = 16  # cells that a region may be longer than the map
FEW = 6  # lengths that a bin can have, for which one window a bin is quicker than two


@keras.saving.register_keras_serializable(package="keras_resnets")
class RoIPooling(RegionLayer):
    """The largest value in each bin of each region (Fast R-CNN, arXiv 1504.08083, section 2.1), exactly as Caffe's.

    A region's corners are divided by the stride and rounded, halves away from zero; it spans both and has at least one
    cell. Bin p of P covers its cells from floor(p * size / P) to ceil((p + 1) * size / P), so that bins may overlap;
    what is outside of the map does not count, and a bin without cells is 0. A region that is longer than the map by
    more than 16 cells (proposals, clipped to the image, are by one at most) is cut to that. The gradient goes to one of
    the cells with the largest value; coordinates get none.

    The maxima over windows of some heights and widths are computed once for the whole map. Where bins are short, there
    is a window of any length; otherwise lengths are 1, 2, 4, ..., and a bin is covered by two windows along that side,
    which may overlap. It needs no kernel of its own and compiles under XLA.

    Input: `features` (B, H, W, C) of a floating dtype, H and W known; `rois` (B, R, 4) float32, [x1, y1, x2, y2] in
    pixels of the image. Output: (B, R, P, P, C) of the features' dtype.

    Args:
        pool_size: P, bins on each side.
        stride: pixels of the image for one cell of the map.

    Raises:
        ArgumentError: (a ValueError) when called on features whose height or width is unknown.
    """

    def pool(self, features, rois):
        height, width, channels = features.shape[1:]
        heights, widths = self._lengths(height), self._lengths(width)
        y, tall, no_rows = self._spans(rois[..., 1], rois[..., 3], height, heights)
        x, wide, no_columns = self._spans(rois[..., 0], rois[..., 2], width, widths)
        # Cells come first: slices of the first axis are not copied.
        cells = tf.transpose(tf.reshape(features, [-1, height * width, channels]), [1, 0, 2])
        table, places = _maxima(cells, heights, widths, width)
        place = tf.gather(places, tall[..., :, tf.newaxis] * len(widths) + wide[..., tf.newaxis, :])
        empty = no_rows[..., :, tf.newaxis] | no_columns[..., tf.newaxis, :]
        batch = tf.shape(features)[0]
        image = tf.range(batch)[:, tf.newaxis, tf.newaxis, tf.newaxis]

        def window(top, left):
            start = place + top[..., :, tf.newaxis] * width + left[..., tf.newaxis, :]
            return _gather(tf.reshape(table, [-1, channels]), tf.where(empty, 0, start) * batch + image)

        return functools.reduce(tf.maximum, (window(top, left) for top in y for left in x))

    def _spans(self, low, high, size, lengths):
        """The windows of all bins along one side.

        Returns:
            The starts of the windows that cover each bin together, which of `lengths` they have, and whether the bin is
            empty: all (B, R, P).
        """
        # Integers: TensorFlow turns x / 7 into x * (1 / 7), and the ceiling of 15.000001 would move the edge.
        start, end = (_round(corner / self.stride) for corner in (low, high))
        length = tf.clip_by_value(end - start + 1, 1, size + MARGIN)[..., tf.newaxis]
        bins = tf.range(self.pool_size)
        first = start[..., tf.newaxis] + bins * length // self.pool_size
        last = start[..., tf.newaxis] + -(-(bins + 1) * length // self.pool_size)
        first, last = (tf.clip_by_value(edge, 0, size) for edge in (first, last))
        cells = last - first
        which = tf.reduce_sum(tf.cast(cells[..., tf.newaxis] >= lengths[1:], tf.int32), axis=-1)
        starts = [first] if lengths[-1] == len(lengths) else [first, last - tf.gather(lengths, which)]
        return starts, which, cells <= 0

    def _lengths(self, size):
        """Returns the lengths of windows, int32, rising from 1, up to that of the longest bin or half of it."""
        longest = min(-(-(size + MARGIN) // self.pool_size) + 1, size)
        lengths = np.arange(longest) + 1 if longest <= FEW else 2 ** np.arange(longest.bit_length())
        return lengths.astype(np.int32)


def _round(x):
    """To the nearest integer, halves away from zero (tf.round goes to the even one)."""
    return tf.cast(tf.sign(x) * tf.floor(tf.abs(x) + 0.5), tf.int32)


def _maxima(cells, heights, widths, width):
    """Computes the maxima over windows of all heights and widths that start at each cell (H * W, B, C).

    Returns:
        (N, B, C), the first of which are zeros; and where each height and, inside of it, width begins in N.
    """
    tables = [table for rows in _growing(cells, heights, width) for table in _growing(rows, widths, 1)]
    places = np.cumsum([1, *(table.shape[0] for table in tables[:-1])], dtype=np.int32)
    return tf.concat([tf.zeros_like(cells[:1]), *tables], axis=0), places


def _growing(maxima, lengths, step):
    """Yields the maxima over windows of each length; those that cross the map's border are never asked for."""
    yield maxima
    for shorter, longer in itertools.pairwise(lengths):
        shift = int(longer - shorter) * step
        # The gradient of maxima[shift:] takes three times as long.
        size = [maxima.shape[0] - shift, -1, -1]
        maxima = tf.maximum(tf.slice(maxima, [0, 0, 0], size), tf.slice(maxima, [shift, 0, 0], size))
        yield maxima


@tf.custom_gradient
def _gather(table, indices):
    """tf.gather of rows, whose own gradient takes several times as long under XLA."""

    def gradient(cotangent):
        return tf.math.unsorted_segment_sum(cotangent, indices, tf.shape(table)[0]), None

    return tf.gather(table, indices), gradient
