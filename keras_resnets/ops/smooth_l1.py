"""The smooth L1 loss."""

import tensorflow as tf
from numpy.typing import ArrayLike


def smooth_l1(errors: ArrayLike, beta: float = 1.0) -> tf.Tensor:
    """Returns 0.5 * x^2 / beta for |x| < beta, and |x| - 0.5 * beta beyond (arXiv 1504.08083, equation 3).

    py-faster-rcnn has sigma instead, with beta = 1 / sigma^2: 1/9 in its region proposal network.

    Args:
        errors: differences, of any shape.
        beta: positive number.

    Returns:
        The losses, in the shape of the errors, float32.
    """
    sizes = tf.abs(tf.cast(errors, tf.float32))
    return tf.where(sizes < beta, 0.5 * sizes * sizes / beta, sizes - 0.5 * beta)
