"""Charts, by the colors in their PNG files."""

import numpy as np
import pytest
from detections import as_predictions, random_images
from PIL import Image

from trainers.metrics.voc import curves
from trainers.plots.figures import confusion_matrix, learning_curve, precision_recall, proposal_recall


def colors(path):
    """Returns the colors of a PNG file that are not shades of gray, and checks its format."""
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        found = picture.convert("RGB").getcolors(picture.width * picture.height)
    return {color for _, color in found if max(color) - min(color) > 60}


def test_a_learning_curve_skips_lines_without_its_metric(tmp_path):
    lines = [{"step": 1, "loss": 0.5}, {"step": 2, "error": 0.5}, {"step": 3, "loss": None}, {"step": 4, "loss": 0.1}]
    series = [("loss", "training", {"color": "red"}), ("error", "test", {"color": "blue", "marker": "s"})]
    learning_curve(lines, series, "error", "a net on digits", tmp_path / "curve.png")
    assert {(255, 0, 0), (0, 0, 255)} <= colors(tmp_path / "curve.png")


@pytest.mark.parametrize("num_classes", [2, 25])
def test_a_confusion_matrix_is_dark_where_its_counts_are(tmp_path, num_classes):
    path, labels = tmp_path / "matrix.png", [f"class {i}" for i in range(num_classes)]
    confusion_matrix(np.diag([3] * num_classes), labels, "a net", path)
    assert (8, 48, 107) in colors(path)  # the darkest blue
    confusion_matrix(np.zeros((num_classes, num_classes), int), labels, "a net", path)
    assert not colors(path)


@pytest.mark.parametrize("num_classes", [1, 5, 20, 25])
def test_precision_over_recall_has_a_curve_for_each_class(tmp_path, num_classes):
    predictions = as_predictions(random_images(seed=4, count=60, num_classes=num_classes + 1))
    labels = [f"_class {index}" for index in range(num_classes)]
    precision_recall(curves(predictions, num_classes), labels, "a net on scenes", tmp_path / "curves.png")
    assert len(colors(tmp_path / "curves.png")) >= min(num_classes, 20) * 2 // 3  # Some colors are shades of gray.


def test_precision_over_recall_without_any_object(tmp_path, recwarn):
    predictions = as_predictions([([([0, 0, 10, 10], 0, 0.9)], [])])
    precision_recall(curves(predictions, 1), ["cat"], "nothing", tmp_path / "curves.png")
    assert not colors(tmp_path / "curves.png") and not recwarn.list


def test_the_recall_of_proposals_has_a_color_for_each_count(tmp_path):
    thresholds, falling = np.linspace(0.5, 1, 11), np.linspace(1, 0, 11)
    recalls = {name: np.stack([falling * share for share in (0.5, 1)]) for name in ("selective_search", "edge_boxes")}
    proposal_recall(thresholds, recalls, (100, 300), "Region proposals", tmp_path / "recall.png")
    assert {(31, 119, 180), (255, 127, 14)} <= colors(tmp_path / "recall.png")
