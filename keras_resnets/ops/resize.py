"""Resizing batches of images."""

import numpy as np
import tensorflow as tf


def rescale(images: tf.Tensor, scale: float) -> tf.Tensor:
    """Resizes images by a factor, bilinearly with antialiasing.

    The function does what `tf.image.resize` does, but compiles under XLA, and its factor does not depend on the
    rounding of the size.

    Args:
        images: (B, H, W, C), with a static height and width.
        scale: positive factor.

    Returns:
        (B, h, w, C) of the images' dtype, h and w static: H and W times the factor, rounded, at least 1.
    """
    if scale == 1:
        return images
    rows, columns = (_weights(size, scale) for size in images.shape[1:3])
    narrow = tf.einsum("pw,bhwc->bhpc", columns, tf.cast(images, tf.float32))
    return tf.cast(tf.einsum("oh,bhpc->bopc", rows, narrow), images.dtype)


def _weights(size, scale):
    """Returns the weights of the `size` pixels along a side in each pixel after resizing: (pixels, size) float32."""
    centers = (np.arange(max(1, round(size * scale))) + 0.5) / scale
    distances = np.abs(centers[:, np.newaxis] - (np.arange(size) + 0.5)) * min(scale, 1)
    weights = np.maximum(1 - distances, 0)
    return np.float32(weights / weights.sum(axis=1, keepdims=True))
