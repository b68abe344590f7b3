"""PASCAL VOC's average precision, by the rules of its devkit, except that the width of a box is x2 - x1 (no "+1")."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from trainers.metrics.boxes import ious
from trainers.metrics.means import mean_of_defined
from trainers.metrics.predictions import Predictions


@dataclasses.dataclass(frozen=True)
class ClassCurve:
    """Precision and recall of one class for the first 1, 2, ... n detections by decreasing score.

    Attributes:
        ground_truths: number of objects that are not ignored.
        detections: number of detections, including those of ignored objects.
        precision: (n,) float64 in 0..1, the share of the detections that are right. Detections of ignored objects are
            omitted: n may be less than `detections`.
        recall: (n,) float64 in 0..1, the share of the objects that are found; 0 without objects.
    """

    ground_truths: int
    detections: int
    precision: np.ndarray
    recall: np.ndarray

    @property
    def interpolated(self) -> np.ndarray:
        """The highest precision at this recall or above, (n,) float64; it never increases with recall."""
        return np.maximum.accumulate(self.precision[::-1])[::-1]

    def precision_at(self, recalls: ArrayLike) -> np.ndarray:
        """Returns the interpolated precision at recalls in 0..1, of any shape; 0 for recalls that are not reached."""
        return np.append(self.interpolated, 0.0)[np.searchsorted(self.recall, recalls)]

    @property
    def average_precision(self) -> float:
        """The area under the interpolated curve (VOC 2010 and later), in 0..1; NaN without objects."""
        return float(np.diff(self.recall, prepend=0.0) @ self.interpolated) if self.ground_truths else np.nan

    @property
    def average_precision_11_point(self) -> float:
        """The mean of the interpolated precision at the recalls 0, 0.1 ... 1 (VOC 2007); NaN without objects.

        In the devkit, 3 of 10 objects do not reach a recall of 0.1 + 0.1 + 0.1, by rounding. Here they reach 0.3.
        """
        return float(self.precision_at(np.arange(11) / 10).mean()) if self.ground_truths else np.nan


def curves(predictions: Predictions, num_classes: int, iou_threshold: float = 0.5) -> list[ClassCurve]:
    """Computes precision and recall of each class.

    The detections of a class in all images are sorted by decreasing score; ties keep the order of the images, and of
    the detections in an image. A detection is matched with the object of its image and class with the highest IoU. If
    this is below the threshold, the detection is wrong. If the object is ignored, the detection is omitted. If an
    earlier detection has found the object, the detection is wrong. Otherwise it is right.

    Args:
        predictions: see `trainers.metrics.predictions`.
        num_classes: number of classes.
        iou_threshold: lowest IoU of a right detection, above 0.

    Returns:
        A curve for each class.
    """
    matches = _matches(predictions, iou_threshold).reshape(-1)
    classes, scores = predictions["classes"].reshape(-1), predictions["scores"].reshape(-1)
    ignored = np.append(predictions["ignored"], False)  # the last one for detections without a match, -1
    counted = predictions["true_classes"][~predictions["ignored"]]
    result = []
    for label in range(num_classes):
        detections = np.flatnonzero(classes == label)
        by_score = detections[np.argsort(-scores[detections], kind="stable")]
        matched = matches[by_score]
        ground_truths = int(np.count_nonzero(counted == label))
        result.append(_curve(matched[~ignored[matched]], ground_truths, len(detections)))
    return result


def mean_average_precision(curves: Sequence[ClassCurve]) -> dict[str, float | None]:
    """Returns the means of both average precisions over the classes with objects.

    Args:
        curves: of all classes, at an IoU of 0.5.

    Returns:
        `map_50`, of the areas under the curves, and `map_50_11_point`: each in 0..1, or None if no class has an object.
    """
    return {
        "map_50": mean_of_defined([curve.average_precision for curve in curves]),
        "map_50_11_point": mean_of_defined([curve.average_precision_11_point for curve in curves]),
    }


def _matches(predictions, iou_threshold):
    """Returns the index in N * G of each detection's object, (N, D) int64; -1 below the threshold."""
    classes, true_classes = predictions["classes"], predictions["true_classes"]
    matches = np.full(classes.shape, -1)
    for image, (image_classes, image_true_classes) in enumerate(zip(classes, true_classes)):
        detections, objects = np.flatnonzero(image_classes >= 0), np.flatnonzero(image_true_classes >= 0)
        if detections.size and objects.size:
            overlaps = ious(predictions["boxes"][image, detections], predictions["true_boxes"][image, objects])
            overlaps[image_classes[detections, np.newaxis] != image_true_classes[objects]] = 0.0
            places = image * true_classes.shape[1] + objects[overlaps.argmax(axis=1)]
            matches[image, detections] = np.where(overlaps.max(axis=1) >= iou_threshold, places, -1)
    return matches


def _curve(matched, ground_truths, detections):
    """Returns the curve of detections by decreasing score; `matched`, (n,), are their objects, or -1."""
    right = np.zeros(len(matched), bool)
    right[np.unique(matched, return_index=True)[1]] = True  # the first one of each object
    found = np.cumsum(right & (matched >= 0))
    precision = found / np.arange(1, len(matched) + 1)
    return ClassCurve(ground_truths, detections, precision, recall=found / max(ground_truths, 1))
