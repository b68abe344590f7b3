"""A table of the average precision of each class, as a CSV file."""

import csv
import os
from collections.abc import Sequence

import numpy as np

from trainers.metrics.means import mean_of_defined
from trainers.metrics.voc import ClassCurve

COLUMNS = ("class", "objects", "detections", "ap_50", "ap_50_11_point", "ap")


def write_per_class(
    path: str | os.PathLike, labels: Sequence[str], curves: Sequence[ClassCurve], average_precisions: np.ndarray
) -> None:
    """Writes a row for each class, and a last one for their mean. Average precisions are in 0..1.

    The columns are: the class, its number of objects that are not ignored, its number of detections, VOC's average
    precision at an IoU of 0.5 by area and by 11 points, and COCO's average precision. A missing value is an empty cell.

    Args:
        path: of the CSV file.
        labels: names of the classes.
        curves: of each class, at an IoU of 0.5.
        average_precisions: (classes,) of `trainers.metrics.coco.coco_metrics`; NaN for a missing value.
    """
    table = np.array(
        [
            [curve.average_precision, curve.average_precision_11_point, average_precision]
            for curve, average_precision in zip(curves, average_precisions)
        ]
    )
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for label, curve, row in zip(labels, curves, table):
            writer.writerow([label, curve.ground_truths, curve.detections, *map(_cell, row)])
        writer.writerow(["mean", "", "", *(_cell(mean_of_defined(column)) for column in table.T)])


def _cell(value):
    return "" if value is None or np.isnan(value) else f"{value:.6f}"
