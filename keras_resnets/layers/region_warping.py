"""Regions of an image, each warped to a square together with its surroundings."""

from typing import Any

import keras
import tensorflow as tf

from keras_resnets.errors import ArgumentError
from keras_resnets.layers.region_layer import RegionLayer


@keras.saving.register_keras_serializable(package="keras_resnets")
class RegionWarping(RegionLayer):
    """Each region as an image of its own, whatever its shape (R-CNN, arXiv 1311.2524, section 2.1 and appendix A).

    The region is dilated so that the square has `context` pixels around it on each side: by 227 / (227 - 32), about
    1.164, for the paper's 227 and 16. Pixels are interpolated bilinearly, without antialiasing; pixels outside of the
    image are 0, which is the mean of normalized images. (The authors' code rounds the dilated box first.) Neither
    images nor coordinates get a gradient. The layer compiles under XLA.

    Input: `images` (B, H, W, C), normalized, of a floating dtype, H and W known; `rois` (B, R, 4) float32, [x1, y1, x2,
    y2] in pixels. Output: (B, R, S, S, C) of the images' dtype.

    Args:
        pool_size: S, side of the square.
        context: pixels of the square around the region, less than S / 2.

    Raises:
        ArgumentError: (a ValueError) for a context that leaves no pixel for the region; when called on images whose
            height or width is unknown.
    """

    def __init__(self, pool_size: int = 227, context: int = 16, **kwargs: Any):
        super().__init__(pool_size, **kwargs)
        if not 0 <= 2 * context < pool_size:
            raise ArgumentError(f"context={context} must be from 0 on, and less than half of the {pool_size} pixels.")
        self.context = context

    def pool(self, images, rois):
        images = tf.stop_gradient(images)
        batch, (height, width, channels) = tf.shape(images)[0], images.shape[1:]
        pixels = tf.reshape(images, [-1, channels])
        rows = self._neighbours(rois[..., 1], rois[..., 3], height)
        columns = self._neighbours(rois[..., 0], rois[..., 2], width)
        image = tf.range(batch)[:, tf.newaxis, tf.newaxis, tf.newaxis] * (height * width)
        total = 0
        for y, of_y in rows:
            for x, of_x in columns:
                shares = tf.cast(of_y[..., :, tf.newaxis] * of_x[..., tf.newaxis, :], images.dtype)
                place = image + y[..., :, tf.newaxis] * width + x[..., tf.newaxis, :]
                total += tf.gather(pixels, place) * shares[..., tf.newaxis]
        return total

    def _neighbours(self, low, high, size):
        """Returns the two pixels around each pixel of the square along one side, and their weights: (B, R, S) each."""
        side = self.pool_size
        # XLA may compute the centers twice, for pixels and for weights, and round differently. In float64, the
        # difference is too small to change the float32 result.
        low, high = tf.cast(low, tf.float64), tf.cast(high, tf.float64)
        dilated = (high - low) * (side / (side - 2 * self.context))
        places = (tf.range(side, dtype=tf.float64) + 0.5) / side - 0.5
        centers = ((low + high) / 2)[..., tf.newaxis] + dilated[..., tf.newaxis] * places - 0.5
        centers = tf.cast(centers, tf.float32)
        first = tf.floor(centers)
        neighbours = []
        for pixel in (first, first + 1):
            share = (1 - tf.abs(centers - pixel)) * tf.cast((pixel >= 0) & (pixel < size), tf.float32)
            neighbours.append((tf.cast(tf.clip_by_value(pixel, 0, size - 1), tf.int32), share))
        return neighbours

    def get_config(self):
        return {**super().get_config(), "context": self.context}

    @classmethod
    def from_config(cls, config):
        # Files of version 0.1.0 have a stride, which had no effect.
        return cls(**{name: value for name, value in config.items() if name != "stride"})
