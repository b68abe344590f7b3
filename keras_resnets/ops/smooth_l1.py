"""Losses of two-stage detectors, in float32."""

import tensorflow as tf


def smooth_l1(errors, beta=1.0):
    """Returns 0.5 * x^2 / beta for |x| < beta, and |x| - 0.5 * beta beyond (arXiv 1504.08083, equation 3).

    py-faster-rcnn's sigma is beta = 1 / sigma^2: 1/9 in its region proposal network.

    Args:
        errors: of any shape.
        beta: positive number.

    Returns:
        The same shape, float32.
    """
    sizes = tf.abs(tf.cast(errors, tf.float32))
    return tf.where(sizes < beta, 0.5 * sizes * sizes / beta, sizes - 0.5 * beta)
