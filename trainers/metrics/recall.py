"""How many of the objects region proposals cover (arXiv 1502.05082).

An object that is not ignored is covered, at an IoU threshold, if one of the proposals of its image has that IoU with it
or a larger one. Its class does not matter, and one proposal may cover several objects.
"""

import numpy as np

from keras_resnets import ArgumentError
from trainers.metrics.boxes import ious

LEAST_IOU = 0.5  # of average recall


def recall(proposals, annotations, iou_thresholds, counts):
    """Returns the shares of the objects that the first proposals of their images cover.

    Args:
        proposals: list of (n, 4) boxes [x1, y1, x2, y2], best first, for each image.
        annotations: list of the images' `trainers.data.detection_dataset.Annotation`s.
        iou_thresholds: sequence of IoUs, above 0.
        counts: sequence of how many proposals of an image are taken, at least 1; where there are fewer, all are.

    Returns:
        (counts, thresholds) float64 from 0 to 1; NaN if there are no objects.

    Raises:
        ArgumentError: if there are not as many annotations as images with proposals, or a count is less than 1.
    """
    reached = _best_ious(proposals, annotations, counts)[:, np.newaxis] >= np.asarray(iou_thresholds)[:, np.newaxis]
    return _mean_over_objects(reached)


def average_recall(proposals, annotations, counts):
    """Returns the mean of the recall over all IoU thresholds from 0.5 to 1, exactly.

    An object that is covered up to an IoU of o > 0.5 adds 2 * (o - 0.5) to the sum that is divided by their number.

    Args:
        proposals, annotations, counts: see `recall`.

    Returns:
        (counts,) float64 from 0 to 1; NaN if there are no objects.

    Raises:
        ArgumentError: see `recall`.
    """
    above = np.maximum(_best_ious(proposals, annotations, counts) - LEAST_IOU, 0)
    return _mean_over_objects(above) / (1 - LEAST_IOU)


def _best_ious(proposals, annotations, counts):
    """Returns (counts, objects) float64: the largest IoU of an object with the first proposals of its image."""
    if len(proposals) != len(annotations):
        raise ArgumentError(f"proposals of {len(proposals)} images need as many annotations, not {len(annotations)}.")
    if min(counts) < 1:
        raise ArgumentError(f"counts={tuple(counts)} must be at least 1 each.")
    best = [np.zeros((len(counts), 0))]
    for boxes, annotation in zip(proposals, annotations):
        objects = annotation.boxes[~annotation.ignored]
        if len(boxes) and len(objects):
            so_far = np.maximum.accumulate(ious(boxes, objects))
            best.append(so_far[np.minimum(counts, len(boxes)) - 1])
        else:
            best.append(np.zeros((len(counts), len(objects))))
    return np.concatenate(best, axis=1)


def _mean_over_objects(values):
    return values.mean(axis=-1) if values.shape[-1] else np.full(values.shape[:-1], np.nan)
