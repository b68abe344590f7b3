"""Error rates of classification, their confidence intervals, and figures by class."""

import numpy as np
import pytest

from trainers.metrics.classification import by_class, errors, wilson_interval
from trainers.metrics.report import worst_classes, worst_in_words, write_recalls


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


def test_figures_by_class(tmp_path):
    # Of four cats, three are found, and a dog is taken for one; no image is of a bird, nor predicted to be.
    labels, predicted = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 0, 1])
    found, names = by_class(labels, predicted, 3), ["cat", "dog, small", "bird"]
    write_recalls(tmp_path / "per_class.csv", names, found)
    assert (tmp_path / "per_class.csv").read_text().splitlines() == [
        "class,support,predicted,precision,recall,f1",
        "cat,4,4,0.750000,0.750000,0.750000",
        '"dog, small",2,2,0.500000,0.500000,0.500000',
        "bird,0,0,,,",
        "mean,,,0.625000,0.625000,0.625000",
    ]
    worst = worst_classes(names, "recall", found.recall, "support", found.support)
    line = "worst classes: dog, small (recall 50.00%, support 2), cat (recall 75.00%, support 4)"
    assert worst_in_words({"worst_classes": worst}) == [line]
    assert worst_in_words({"worst_classes": worst_classes(["a"], "recall", [1.0], "support", [3])}) == []


@pytest.mark.parametrize("classes, has_top5", [(5, False), (6, True)])
def test_up_to_five_classes_have_no_top5_error(classes, has_top5):
    _, figures = errors(np.arange(classes, dtype=np.int32), np.eye(classes))
    assert figures["top1_error"] == 0 and ("top5_error" in figures) == ("top5_interval" in figures) == has_top5
