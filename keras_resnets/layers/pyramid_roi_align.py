"""Region features of a feature pyramid, by bilinear interpolation."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_resnets.layers.pyramid_layer import PyramidLayer
from keras_resnets.layers.roi_align import is_counted, sample_centers
from keras_resnets.values import POSITIVE_INTEGER
from keras_resnets.xla import is_for_xla


@keras.saving.register_keras_serializable(package="keras_resnets")
class PyramidRoIAlign(PyramidLayer):
    """`RoIAlign` of each region at the level of a pyramid that suits its size (arXiv 1703.06870, section 3).

    Samples are at the places of `keras_resnets.layers.RoIAlign`. All maps are put on one sheet first, so that the
    work does not grow with their number. TensorFlow's kernel for crops, which XLA lacks, reads the sheet; in
    `keras_resnets.xla.xla_scope` and on TPUs, a gather of the samples' neighbours does. The gradient is added up in
    float32 under any dtype policy. Coordinates get none.

    Inputs, output, errors: see `keras_resnets.layers.pyramid_layer.PyramidLayer`.

    Args:
        pool_size, strides, canonical_size: see there.
        sampling_ratio: samples along each side of a bin.
        aligned: whether cell i is a point at i + 1/2, as in detectron2. Otherwise it is at i, and regions have at least
            one cell, as in torchvision.
    """

    def __init__(
        self,
        pool_size: int,
        strides: Sequence[int] = (4, 8, 16, 32),
        sampling_ratio: int = 2,
        aligned: bool = True,
        canonical_size: float = 224.0,
        **kwargs: Any,
    ):
        super().__init__(pool_size, strides, canonical_size, **kwargs)
        POSITIVE_INTEGER.check("sampling_ratio", sampling_ratio)
        self.sampling_ratio, self.aligned = sampling_ratio, aligned

    def pool(self, features, rois):
        levels = self.levels(rois)
        sheet, corners = _sheet(features)
        sizes = np.array([part.shape[1:3] for part in features], np.int32)
        strides = tf.gather(tf.constant(self.strides, tf.float32), levels)
        samples = self.pool_size * self.sampling_ratio
        sides = []
        for axis, (low, high) in enumerate([(rois[..., 1], rois[..., 3]), (rois[..., 0], rois[..., 2])]):
            size, corner = (tf.gather(values[:, axis], levels)[..., tf.newaxis] for values in (sizes, corners))
            sides.append((sample_centers(low / strides, high / strides, samples, self.aligned), size, corner))
        forward = self._gathered if is_for_xla() else self._cropped

        @tf.custom_gradient
        def pooled(sheet):
            # The gradient of TensorFlow's kernel loses a part of it where threads add to the same cell of the sheet.
            return forward(sheet, *sides), lambda upstream: self._scattered(upstream, sheet, *sides)

        shape = [-1, rois.shape[1] or tf.shape(rois)[1], self.pool_size, self.pool_size, sheet.shape[-1]]
        return tf.cast(tf.reshape(pooled(sheet), shape), features[0].dtype)

    def _cropped(self, sheet, *sides):
        """Returns the bins (B * R, P, P, C) float32 of crops with a pixel for each sample."""
        ends, inside = [], []
        for axis, (centers, size, corner) in enumerate(sides):
            last = sheet.shape[1 + axis] - 1
            ends.append(tf.gather(centers + tf.cast(corner, tf.float32), [0, centers.shape[-1] - 1], axis=-1) / last)
            inside.append(is_counted(centers, tf.cast(size, tf.float32)))
        crops = tf.stack([ends[0][..., 0], ends[1][..., 0], ends[0][..., 1], ends[1][..., 1]], axis=-1)
        image = tf.broadcast_to(tf.range(tf.shape(crops)[0])[:, tf.newaxis], tf.shape(crops)[:2])
        samples = tf.image.crop_and_resize(
            sheet if sheet.dtype in (tf.float16, tf.float32) else tf.cast(sheet, tf.float32),
            tf.reshape(crops, [-1, 4]),
            tf.reshape(image, [-1]),
            [side[0].shape[-1] for side in sides],
        )
        inside = tf.reshape(inside[0][..., :, tf.newaxis] & inside[1][..., tf.newaxis, :], tf.shape(samples)[:3])
        # Few regions reach beyond their map, and the product would cost as much as a third of the crops.
        samples = tf.cond(
            tf.reduce_all(inside), lambda: samples, lambda: samples * tf.cast(inside, tf.float32)[..., tf.newaxis]
        )
        return tf.nn.avg_pool2d(samples, self.sampling_ratio, self.sampling_ratio, "VALID")

    def _gathered(self, sheet, *sides):
        """Returns the bins (B * R * P * P, 1, C) as weighted sums of the cells around their samples."""
        cells, weights = self._cells(sheet, *sides)
        found = tf.gather(tf.reshape(sheet, [-1, sheet.shape[-1]]), cells)
        return tf.matmul(tf.cast(weights, found.dtype), found, transpose_a=True)

    def _scattered(self, upstream, sheet, *sides):
        """Returns the gradient of a sheet from that of the bins: each cell's is a weighted sum."""
        cells, weights = self._cells(sheet, *sides)
        channels = sheet.shape[-1]
        shares = weights * tf.reshape(tf.cast(upstream, tf.float32), [-1, 1, channels])
        total = tf.math.reduce_prod(tf.shape(sheet)[:3])
        summed = tf.math.unsorted_segment_sum(tf.reshape(shares, [-1, channels]), tf.reshape(cells, [-1]), total)
        return tf.cast(tf.reshape(summed, tf.shape(sheet)), sheet.dtype)

    def _cells(self, sheet, *sides):
        """Returns the cells (B * R * P * P, N) of a flat sheet around the samples of each bin, and their weights."""
        (rows, by_row), (columns, by_column) = (self._neighbours(*side) for side in sides)
        height, width = sheet.shape[1:3]
        image = tf.reshape(tf.range(tf.shape(sheet)[0]) * (height * width), [-1, 1, 1, 1, 1, 1])
        cells = image + rows[:, :, :, tf.newaxis, :, tf.newaxis] * width + columns[:, :, tf.newaxis, :, tf.newaxis]
        weights = by_row[:, :, :, tf.newaxis, :, tf.newaxis] * by_column[:, :, tf.newaxis, :, tf.newaxis]
        count = rows.shape[-1] * columns.shape[-1]
        return tf.reshape(cells, [-1, count]), tf.reshape(weights, [-1, count, 1])

    def _neighbours(self, centers, size, corner):
        """Returns the cells of each bin along one side of the sheet, and their weights: (B, R, P, samples * 2)."""
        counted = is_counted(centers, tf.cast(size, tf.float32))  # NaN is not.
        places = tf.where(counted, tf.clip_by_value(centers, 0.0, tf.cast(size - 1, tf.float32)), 0.0)
        low = tf.floor(places)
        share = places - low
        first = tf.cast(low, tf.int32)
        cells = tf.stack([first, tf.minimum(first + 1, size - 1)], axis=-1) + corner[..., tf.newaxis]
        weights = tf.stack([1 - share, share], axis=-1) * tf.cast(counted, tf.float32)[..., tf.newaxis]
        shape = [*(centers.shape[i] or tf.shape(centers)[i] for i in (0, 1)), self.pool_size, 2 * self.sampling_ratio]
        return tf.reshape(cells, shape), tf.reshape(weights, shape) / self.sampling_ratio

    def get_config(self):
        return {**super().get_config(), "sampling_ratio": self.sampling_ratio, "aligned": self.aligned}


def _sheet(features):
    """Puts maps side by side: the first above, the others in a row below it, each in a frame of its border's values.

    Returns:
        The sheet (B, H, W, C), and the row and column of each map's first cell, (levels, 2) int32.
    """
    framed = [tf.pad(part, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC") for part in features]
    heights, widths = zip(*(part.shape[1:3] for part in framed))
    below = heights[0]
    lefts = [0, *np.cumsum([0, *widths[1:-1]])][: len(widths)]
    corners = np.array([[1 + (below if i else 0), 1 + left] for i, left in enumerate(lefts)], np.int32)
    height, width = max(heights[1:], default=0), max(widths[0], sum(widths[1:]))

    def extended(part, height, width):
        return tf.pad(part, [[0, 0], [0, height - part.shape[1]], [0, width - part.shape[2]], [0, 0]])

    if len(framed) == 1:
        return framed[0], corners
    row = tf.concat([extended(part, height, part.shape[2]) for part in framed[1:]], axis=2)
    return tf.concat([extended(framed[0], below, width), extended(row, height, width)], axis=1), corners
