"""Exact max pooling of regions of interest, from ordinary operations."""

import keras
import tensorflow as tf

from keras_resnets.layers.region_layer import RoILayer
from keras_resnets.ops.bin_maxima import bin_maxima


@keras.saving.register_keras_serializable(package="keras_resnets")
class RoIPooling(RoILayer):
    """The largest value in each bin of each region (Fast R-CNN, arXiv 1504.08083, section 2.1), exactly as Caffe's.

    A region's corners are divided by the stride and rounded, halves away from zero; it spans both and has at least one
    cell. Bin p of P covers its cells from floor(p * size / P) to ceil((p + 1) * size / P), so that bins may overlap;
    cells outside of the map do not count, and a bin without cells is 0. (Bins can miss their last cells if a region is
    longer than the map by more than 4 cells. Proposals that are clipped to the image never are.) The gradient goes to
    one of the cells with the largest value; coordinates get none. The layer compiles under XLA.

    Input: `features` (B, H, W, C) of a floating dtype, H and W known; `rois` (B, R, 4) float32, [x1, y1, x2, y2] in
    pixels of the image. Output: (B, R, P, P, C) of the features' dtype.

    Args:
        pool_size: P, bins on each side.
        stride: pixels of the image per cell of the map.

    Raises:
        ArgumentError: (a ValueError) for arguments that are not positive; when called on features whose height or width
            is unknown.
    """

    def pool(self, features, rois):
        rows, columns = (self._cells(rois[..., side], rois[..., side + 2]) for side in (1, 0))
        return bin_maxima(features, rows, columns, self.pool_size)

    def _cells(self, low, high):
        """Returns the first cell and the number of cells along one side: both (B, R) int32."""
        start, end = (_round(corner / self.stride) for corner in (low, high))
        return start, tf.maximum(end - start + 1, 1)


def _round(x):
    """Rounds to the nearest integer, halves away from zero; tf.round would round halves to even."""
    return tf.cast(tf.sign(x) * tf.floor(tf.abs(x) + 0.5), tf.int32)
