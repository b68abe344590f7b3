"""Region features by bilinear interpolation, from matrix products."""

from typing import Any

import keras
import tensorflow as tf

from keras_resnets.layers.region_layer import RoILayer
from keras_resnets.values import POSITIVE_INTEGER


@keras.saving.register_keras_serializable(package="keras_resnets")
class RoIAlign(RoILayer):
    """The mean of bilinear samples in each bin of each region (Mask R-CNN, arXiv 1703.06870, section 3).

    Each bin has `sampling_ratio` x `sampling_ratio` samples at regular places. A sample up to one cell outside of the
    map has the value at the border, and a sample further outside is 0, as in torchvision. Interpolation and mean are
    linear and separable: the layer multiplies the map by a matrix for the rows and one for the columns of each bin,
    which compiles under XLA and suits TPUs. Coordinates get no gradient.

    Input: `features` (B, H, W, C) of a floating dtype, H and W known; `rois` (B, R, 4) float32, [x1, y1, x2, y2] in
    pixels of the image. Output: (B, R, P, P, C) of the features' dtype.

    Args:
        pool_size: P, bins on each side.
        stride: pixels of the image per cell of the map.
        sampling_ratio: samples along each side of a bin.
        aligned: whether cell i is a point at i + 1/2, as in detectron2. Otherwise it is at i, and regions have at least
            one cell.

    Raises:
        ArgumentError: (a ValueError) for numbers that are not positive; when called on features whose height or width
            is unknown.
    """

    def __init__(self, pool_size: int, stride: float, sampling_ratio: int = 2, aligned: bool = True, **kwargs: Any):
        super().__init__(pool_size, stride, **kwargs)
        POSITIVE_INTEGER.check("sampling_ratio", sampling_ratio)
        self.sampling_ratio = sampling_ratio
        self.aligned = aligned

    def pool(self, features, rois):
        height, width = features.shape[1:3]
        rows = tf.cast(self._weights(rois[..., 1], rois[..., 3], height), features.dtype)
        columns = tf.cast(self._weights(rois[..., 0], rois[..., 2], width), features.dtype)
        by_row = tf.einsum("brph,bhwc->brpwc", rows, features)
        return tf.matmul(columns[:, :, tf.newaxis], by_row)

    def _weights(self, low, high, size):
        """Returns (B, R, P, size), the weight of each cell in each bin along one side."""
        centers = sample_centers(
            low / self.stride, high / self.stride, self.pool_size * self.sampling_ratio, self.aligned
        )
        inside = is_counted(centers, size)
        distance = tf.abs(tf.clip_by_value(centers, 0, size - 1)[..., tf.newaxis] - tf.range(size, dtype=tf.float32))
        weights = tf.maximum(1 - distance, 0) * tf.cast(inside, tf.float32)[..., tf.newaxis]
        batch, regions = tf.shape(low)[0], low.shape[1] or tf.shape(low)[1]
        return tf.reduce_mean(tf.reshape(weights, [batch, regions, self.pool_size, self.sampling_ratio, size]), axis=3)

    def get_config(self):
        return {**super().get_config(), "sampling_ratio": self.sampling_ratio, "aligned": self.aligned}


def sample_centers(low: tf.Tensor, high: tf.Tensor, samples: int, aligned: bool) -> tf.Tensor:
    """Returns the places (..., samples) of a region's samples along one side, in cells of the map.

    Args:
        low, high: (...) float32, where regions begin and end, in cells of the map.
        samples: number of samples along the side.
        aligned: see `RoIAlign`.
    """
    length = high - low if aligned else tf.maximum(high - low, 1.0)
    places = (tf.range(samples, dtype=tf.float32) + 0.5) / samples
    return low[..., tf.newaxis] + length[..., tf.newaxis] * places - (0.5 if aligned else 0.0)


def is_counted(centers: tf.Tensor, size: Any) -> tf.Tensor:
    """Returns whether samples count on a map of `size` cells: up to one cell outside, they have the border's value."""
    return (centers >= -1) & (centers <= size)
