"""Means over classes, some of which have no value."""

import numpy as np
from numpy.typing import ArrayLike


def mean_of_defined(values: ArrayLike) -> float | None:
    """Returns the mean of the values that are not NaN, or None (null in JSON) if there are none."""
    values = np.asarray(values)
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else None
