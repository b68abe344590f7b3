"""The table of all classes."""

import csv

import numpy as np
from detections import as_predictions, random_images

from trainers.metrics.coco import coco_metrics
from trainers.metrics.report import write_per_class
from trainers.metrics.voc import curves, mean_average_precision

A, B, C = ([x, 0, x + 10, 10] for x in (0, 20, 40))


def test_the_table_of_all_classes(tmp_path):
    # One of two cats is found, and then a wrong one; the dog is not found; the bird is not there; no fish is.
    objects = [(A, 0, False, 100), (B, 0, False, 100), (C, 1, False, 100)]
    detections = [(A, 0, 0.9), (C, 0, 0.8), (A, 2, 0.7)]
    predictions = as_predictions([(detections, objects)])
    _, average_precisions = coco_metrics(predictions, 4)
    labels = ["cat", "dog, small", "bird", "fish"]
    write_per_class(tmp_path / "per_class.csv", labels, curves(predictions, 4), average_precisions)
    with open(tmp_path / "per_class.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["class", "objects", "detections", "ap_50", "ap_50_11_point", "ap"],
        # 1/2 * 1; 6 of 11 recalls; 51 of COCO's 101
        ["cat", "2", "2", "0.500000", "0.545455", "0.504950"],
        ["dog, small", "1", "0", "0.000000", "0.000000", "0.000000"],
        ["bird", "0", "1", "", "", ""],
        ["fish", "0", "0", "", "", ""],
        ["mean", "", "", "0.250000", "0.272727", "0.252475"],
    ]


def test_the_last_row_is_what_the_metrics_report(tmp_path):
    predictions = as_predictions(random_images(seed=3, count=20, num_classes=3))
    class_curves, (figures, average_precisions) = curves(predictions, 3), coco_metrics(predictions, 3)
    write_per_class(tmp_path / "per_class.csv", ["a", "b", "c"], class_curves, average_precisions)
    mean = (tmp_path / "per_class.csv").read_text().splitlines()[-1].split(",")
    means = mean_average_precision(class_curves)
    expected = [means["map_50"], means["map_50_11_point"], figures["map"]]
    np.testing.assert_allclose([float(cell) for cell in mean[3:]], expected, atol=5e-7)
