"""Resizing batches of images."""

import numpy as np
import tensorflow as tf


def scaled(images, scale):
    """Returns images (B, H, W, C) resized by a factor, bilinearly with antialiasing: (B, h, w, C), static shapes.

    It is what `tf.image.resize` does, but XLA compiles it, and the factor does not depend on how the size is rounded.
    """
    if scale == 1:
        return images
    rows, columns = (_weights(size, scale) for size in images.shape[1:3])
    narrow = tf.einsum("pw,bhwc->bhpc", columns, tf.cast(images, tf.float32))
    return tf.cast(tf.einsum("oh,bhpc->bopc", rows, narrow), images.dtype)


def _weights(size, scale):
    """Returns what each of `size` pixels along a side is for each of those after resizing: (pixels, size) float32."""
    centers = (np.arange(max(1, round(size * scale))) + 0.5) / scale
    distances = np.abs(centers[:, np.newaxis] - (np.arange(size) + 0.5)) * min(scale, 1)
    weights = np.maximum(1 - distances, 0)
    return np.float32(weights / weights.sum(axis=1, keepdims=True))
