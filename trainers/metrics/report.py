"""Figures of each class: a table of all, as a CSV file, and the worst ones in words."""

import csv
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from trainers.metrics.classification import ByClass
from trainers.metrics.means import mean_of_defined
from trainers.metrics.voc import ClassCurve

AP_COLUMNS = ("class", "objects", "detections", "ap_50", "ap_50_11_point", "ap")
RECALL_COLUMNS = ("class", "support", "predicted", "precision", "recall", "f1")
WORST = 3  # classes


def write_recalls(path: str | os.PathLike, labels: Sequence[str], figures: ByClass) -> None:
    """Writes a row for each class of a classification, and a last one for their mean. The figures are in 0..1.

    The columns are: the class, its number of images (`support`), the number of images that are predicted to be of it,
    the share of these that are (`precision`), the share of its images that are found (`recall`), and the harmonic mean
    of the two (`f1`). A missing value is an empty cell.

    Args:
        path: of the CSV file.
        labels: names of the classes.
        figures: of all classes.
    """
    table = np.stack([figures.precision, figures.recall, figures.f1], axis=1)
    _write(path, RECALL_COLUMNS, labels, zip(figures.support, figures.predicted), table)


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
    _write(path, AP_COLUMNS, labels, [(curve.ground_truths, curve.detections) for curve in curves], table)


def worst_classes(
    labels: Sequence[str], figure: str, values: ArrayLike, unit: str, counts: Sequence[int]
) -> list[dict[str, Any]]:
    """Returns the three classes with the lowest values below 1, lowest first, for `worst_in_words`.

    Args:
        labels: names of the classes.
        figure: name of the values.
        values: (classes,) in 0..1; NaN for a missing value.
        unit: what a class has many of.
        counts: (classes,) how many.
    """
    values = np.asarray(values, float)
    chosen = [i for i in np.argsort(values, kind="stable") if values[i] < 1][:WORST]  # NaN is not less.
    return [{"class": labels[i], figure: float(values[i]), unit: int(counts[i])} for i in chosen]


def worst_in_words(results: Mapping[str, Any]) -> list[str]:
    """Returns a line about the `worst_classes` of results, or none."""
    worst = [
        f"{name} ({figure} {row[figure]:.2%}, {unit} {row[unit]})"
        for row in results.get("worst_classes", [])
        for name, figure, unit in [(row["class"], *list(row)[1:])]
    ]
    return [f"worst classes: {', '.join(worst)}"] if worst else []


def _write(path, columns, labels, counts, table):
    """Writes counts, and figures (classes, ...) with their means."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for label, numbers, row in zip(labels, counts, table):
            writer.writerow([label, *numbers, *map(_cell, row)])
        writer.writerow(["mean", "", "", *(_cell(mean_of_defined(column)) for column in table.T)])


def _cell(value):
    return "" if value is None or np.isnan(value) else f"{value:.6f}"
