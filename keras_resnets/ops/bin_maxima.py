"""Exact maxima over the bins of many windows of a map, from ordinary operations."""

import functools
import itertools
from typing import Any

import numpy as np
import tensorflow as tf

MARGIN = 4  # cells by which a window may be longer than the map
FEW = 6  # up to this number of bin lengths, ranges of every length are faster than two ranges per bin


def bin_maxima(
    features: tf.Tensor, rows: tuple[tf.Tensor, tf.Tensor], columns: tuple[tf.Tensor, tf.Tensor], bins: int
) -> tf.Tensor:
    """Returns the largest value in each of P x P bins of each window: (B, R, P, P, C) of the features' dtype.

    `bin_edges` defines the bins along both sides. Cells outside of the map do not count, and a bin without cells is 0.
    (Bins can miss their last cells if a window is longer than the map by more than 4 cells.) The gradient goes to one
    of the cells with the largest value.

    The maxima over ranges of some heights and widths are computed once for the whole map. If no bin is long, there are
    ranges of every length; otherwise their lengths are 1, 2, 4, ..., and two ranges, which may overlap, cover a bin
    along that side. The function needs no kernel of its own and compiles under XLA.

    Args:
        features: (B, H, W, C) of a floating dtype, H and W known.
        rows: the first row and the number of rows (at least 1) of each window: both (B, R) int32.
        columns: the same for columns.
        bins: P.
    """
    height, width, channels = features.shape[1:]
    heights, widths = _lengths(height, bins), _lengths(width, bins)
    y, tall, no_rows = _spans(*rows, bins, height, heights)
    x, wide, no_columns = _spans(*columns, bins, width, widths)
    # Cells are the first axis, whose slices are not copied.
    cells = tf.transpose(tf.reshape(features, [-1, height * width, channels]), [1, 0, 2])
    table, places = _maxima(cells, heights, widths, width)
    place = tf.gather(places, tall[..., :, tf.newaxis] * len(widths) + wide[..., tf.newaxis, :])
    empty = no_rows[..., :, tf.newaxis] | no_columns[..., tf.newaxis, :]
    batch = tf.shape(features)[0]
    image = tf.range(batch)[:, tf.newaxis, tf.newaxis, tf.newaxis]

    def choice(top, left):
        start = place + top[..., :, tf.newaxis] * width + left[..., tf.newaxis, :]
        return tf.where(empty, 0, start) * batch + image

    return _largest(tf.reshape(table, [-1, channels]), *(choice(top, left) for top in y for left in x))


def bin_edges(p: Any, bins: int, count: Any) -> tuple[Any, Any]:
    """Returns where bin p of `bins` begins and ends among `count` cells: floor(p * count / bins), ceil((p + 1) * ...).

    Bins may overlap by a cell, and none is empty (SPPnet, arXiv 1406.4729, appendix A). p and `count` are integers, or
    int32 tensors that broadcast.
    """
    # With floats, TensorFlow would turn x / 7 into x * (1 / 7), and the ceiling of 15.000001 would move the edge.
    return p * count // bins, -(-(p + 1) * count // bins)


def _spans(start, count, bins, size, lengths):
    """Returns the ranges of all bins along one side.

    Returns:
        The starts of the ranges that cover each bin together, which of `lengths` they have, and whether the bin is
        empty: all (B, R, P).
    """
    edges = bin_edges(tf.range(bins), bins, count[..., tf.newaxis])
    first, last = (tf.clip_by_value(start[..., tf.newaxis] + edge, 0, size) for edge in edges)
    cells = tf.minimum(last - first, _longest_bin(size, bins))
    which = tf.reduce_sum(tf.cast(cells[..., tf.newaxis] >= lengths[1:], tf.int32), axis=-1)
    is_exact = lengths[-1] == len(lengths)
    starts = [first] if is_exact else [first, first + cells - tf.gather(lengths, which)]
    return starts, which, cells <= 0


def _lengths(size, bins):
    """Returns the lengths of ranges along one side: int32, rising from 1."""
    longest = _longest_bin(size, bins)
    lengths = np.arange(longest) + 1 if longest <= FEW else 2 ** np.arange(longest.bit_length())
    return lengths.astype(np.int32)


def _longest_bin(size, bins):
    """Returns the largest number of cells of a map that a bin can have along one side."""
    return min(-(-(size + MARGIN) // bins) + 1, size)


def _maxima(cells, heights, widths, width):
    """Computes the maxima over ranges of all heights and widths that start at each cell (H * W, B, C).

    Returns:
        (N, B, C), the first of which are zeros; and the start in N of each height and, nested in it, each width.
    """
    tables = [table for rows in _growing(cells, heights, width) for table in _growing(rows, widths, 1)]
    places = np.cumsum([1, *(table.shape[0] for table in tables[:-1])], dtype=np.int32)
    return tf.concat([tf.zeros_like(cells[:1]), *tables], axis=0), places


def _growing(maxima, lengths, step):
    """Yields the maxima over ranges of each length; ranges that cross the border of the map are never used."""
    yield maxima
    for shorter, longer in itertools.pairwise(lengths):
        shift = int(longer - shorter) * step
        # The gradient of maxima[shift:] takes three times as long.
        size = [maxima.shape[0] - shift, -1, -1]
        maxima = tf.maximum(tf.slice(maxima, [0, 0, 0], size), tf.slice(maxima, [shift, 0, 0], size))
        yield maxima


@tf.custom_gradient
def _largest(table, *choices):
    """Returns the maxima (..., C) of the rows of a table (N, C) at the indices in each of `choices` (...)."""
    largest = functools.reduce(tf.maximum, (tf.gather(table, choice) for choice in choices))

    # Automatic differentiation would keep the gathered rows, and make a table of gradients for each choice.
    def gradient(cotangent):
        shares, zero = [], tf.zeros([], cotangent.dtype)
        for choice in choices[:-1]:
            is_largest = tf.gather(table, choice) == largest
            shares.append(tf.where(is_largest, cotangent, zero))
            cotangent = tf.where(is_largest, zero, cotangent)
        shares.append(cotangent)
        by_row = tf.math.unsorted_segment_sum(tf.stack(shares), tf.stack(choices), tf.shape(table)[0])
        return by_row, *(None for _ in choices)

    return largest, gradient
