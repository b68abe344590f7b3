"""Error rates of classification, and their confidence intervals."""

import numpy as np
import pytest

from trainers.metrics.classification import wilson_interval


@pytest.mark.parametrize(
    "count, total, low, high",
    [(0, 10, 0.0, 0.277533), (5, 10, 0.236593, 0.763407), (1, 100, 0.001767, 0.054486), (10, 10, 0.722467, 1.0)],
)
def test_wilson_intervals(count, total, low, high):
    """z = 1.959964, z^2 = 3.841459; of 0 of 10, the upper end is z^2 / (10 + z^2)."""
    np.testing.assert_allclose(wilson_interval(count, total), (low, high), atol=1e-6)


def test_no_rounding_leaves_a_share_outside_of_its_interval():
    for total in range(1, 500):
        assert wilson_interval(0, total)[0] <= 0 and wilson_interval(total, total)[1] >= 1
