"""Recall of region proposals (arXiv 1502.05082).

A proposal covers an object at an IoU threshold if their IoU reaches it, whatever the object's class. A proposal may
cover several objects. Ignored objects do not count.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from keras_resnets.errors import ArgumentError
from trainers.metrics.boxes import ious

MIN_IOU = 0.5  # of average recall


class Objects(Protocol):
    """The objects of an image, for example a `trainers.data.detection_dataset.Annotation`."""

    @property
    def boxes(self) -> np.ndarray:
        """(n, 4), [x1, y1, x2, y2]."""

    @property
    def ignored(self) -> np.ndarray:
        """(n,) bool."""


def recall(
    proposals: Sequence[np.ndarray],
    annotations: Sequence[Objects],
    iou_thresholds: Sequence[float],
    counts: Sequence[int],
) -> np.ndarray:
    """Returns the share of the objects that are covered by the first proposals of their images.

    Args:
        proposals: (n, 4) boxes [x1, y1, x2, y2] of each image, best first.
        annotations: of each image.
        iou_thresholds: above 0.
        counts: numbers of proposals per image, at least 1 each. An image with fewer has all of them counted.

    Returns:
        (counts, thresholds) float64 in 0..1; NaN without objects.

    Raises:
        ArgumentError: if there are not as many annotations as images, or a count is less than 1.
    """
    reached = _best_ious(proposals, annotations, counts)[:, np.newaxis] >= np.asarray(iou_thresholds)[:, np.newaxis]
    return _mean_over_objects(reached)


def average_recall(
    proposals: Sequence[np.ndarray], annotations: Sequence[Objects], counts: Sequence[int]
) -> np.ndarray:
    """Returns the integral of the recall over the IoU thresholds 0.5..1, times 2.

    It is exact: the mean over the objects of 2 * max(o - 0.5, 0), where o is the largest IoU with a proposal.

    Args:
        proposals: see `recall`.
        annotations: see `recall`.
        counts: see `recall`.

    Returns:
        (counts,) float64 in 0..1; NaN without objects.

    Raises:
        ArgumentError: see `recall`.
    """
    above = np.maximum(_best_ious(proposals, annotations, counts) - MIN_IOU, 0)
    return _mean_over_objects(above) / (1 - MIN_IOU)


def _best_ious(proposals, annotations, counts):
    """Returns the largest IoU of each object with the first proposals of its image, (counts, objects) float64."""
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
