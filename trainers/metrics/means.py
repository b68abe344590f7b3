"""Means over classes, of which some have no value."""

import numpy as np


def mean_of_defined(values):
    """Returns the mean of the values that are not NaN, as a float, or None (null in JSON) if there are none."""
    values = np.asarray(values)
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else None
