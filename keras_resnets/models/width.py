"""Narrower and wider nets: a factor on the filters of every layer."""

import math
import numbers

from keras_resnets.errors import ArgumentError


def scaled_filters(filters, width):
    """Returns `width` times a number of filters: the nearest integer (the even one of two), and 1 at least.

    Raises:
        ArgumentError: (a ValueError) for a width that is no positive finite number.
    """
    if not isinstance(width, numbers.Real) or not 0 < width < math.inf:
        raise ArgumentError(f"width={width!r} must be a positive number, such as 0.25.")
    return max(1, round(filters * width))
