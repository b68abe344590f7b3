"""The average precision of every class, as a file for people and spreadsheets."""

import csv

import numpy as np

from trainers.metrics.means import mean_of_defined

COLUMNS = ("class", "objects", "detections", "ap_50", "ap_50_11_point", "ap")


def write_per_class(path, labels, curves, average_precisions):
    """Writes `per_class.csv`: a row for each class and last their mean, with average precisions from 0 to 1.

    The columns are the class, how many objects (ignored ones are not counted) and detections it has, VOC's average
    precisions at an IoU of 0.5 by area and by 11 points, and COCO's. A cell is empty where there is no value.

    Args:
        path: the file to write.
        labels: the classes' names.
        curves: a `trainers.metrics.voc.ClassCurve` for each class, at an IoU of 0.5.
        average_precisions: (classes,) of `trainers.metrics.coco.coco_metrics`; NaN where there is no value.
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
