"""Average precision of PASCAL VOC: by the rules of its devkit, where the width of a box is x2 - x1 (no "+1").

The metrics of detection take `predictions`, a dict of NumPy arrays over N images, of at most D detections and G objects
each. Boxes are [x1, y1, x2, y2] in pixels of the image before any resizing; the width is x2 - x1.

- `boxes`: (N, D, 4) float32.
- `scores`: (N, D) float32, in any order.
- `classes`: (N, D) int32, indices of the labels; -1 is padding.
- `true_boxes`: (N, G, 4) float32.
- `true_classes`: (N, G) int32; -1 is padding.
- `ignored`: (N, G) bool, objects that are neither right nor wrong to find (VOC's difficult ones, COCO's crowds).
- `areas`: (N, G) float32, of the objects in pixels.
"""

import dataclasses

import numpy as np

from trainers.metrics.boxes import ious
from trainers.metrics.means import mean_of_defined


@dataclasses.dataclass(frozen=True)
class ClassCurve:
    """Precision and recall of one class, as more and more of its detections are taken, those of high score first.

    Attributes:
        ground_truths: the number of its objects that are not ignored.
        detections: the number of its detections, those of ignored objects included.
        precision: (n,) float64 from 0 to 1, the share of right ones among the first 1, 2, ... n detections; those of
            ignored objects are left out, so that n may be less than `detections`.
        recall: (n,) float64 from 0 to 1, the share of the objects that these found; 0 where there are no objects.
    """

    ground_truths: int
    detections: int
    precision: np.ndarray
    recall: np.ndarray

    @property
    def interpolated(self):
        """(n,) float64: the highest precision at this recall or more, so that it never rises with recall."""
        return np.maximum.accumulate(self.precision[::-1])[::-1]

    def precision_at(self, recalls):
        """Returns the interpolated precision at recalls, any shape of values from 0 to 1; 0 for what is not reached."""
        return np.append(self.interpolated, 0.0)[np.searchsorted(self.recall, recalls)]

    @property
    def average_precision(self):
        """The area under the interpolated curve (VOC 2010 and later), 0 to 1; NaN if there are no objects."""
        return float(np.diff(self.recall, prepend=0.0) @ self.interpolated) if self.ground_truths else np.nan

    @property
    def average_precision_11_point(self):
        """The mean of the interpolated precision at the recalls 0, 0.1 ... 1 (VOC 2007); NaN if there are no objects.

        The devkit takes 0.1 + 0.1 + 0.1 for 0.3, and so says that 3 found of 10 do not reach it; here they do.
        """
        return float(self.precision_at(np.arange(11) / 10).mean()) if self.ground_truths else np.nan


def curves(predictions, num_classes, iou_threshold=0.5):
    """Computes the precision and recall of every class.

    The detections of a class, of all images, are taken by falling score; those of equal score in the order of the
    images and of their detections. Each is compared with the object of its image and class that it overlaps most. If
    their IoU is below the threshold, the detection is wrong. Otherwise, if the object is ignored, the detection is left
    out; if it was found by an earlier one, it is wrong, and else right.

    Args:
        predictions: see the top of this file.
        num_classes: how many classes there are.
        iou_threshold: the IoU, above 0, from which on an object is found.

    Returns:
        A list of `ClassCurve`s, one for each class.
    """
    matches = _matches(predictions, iou_threshold).reshape(-1)
    classes, scores = predictions["classes"].reshape(-1), predictions["scores"].reshape(-1)
    ignored = np.append(predictions["ignored"], False)  # What no object is matched with, -1, is not ignored.
    counted = predictions["true_classes"][~predictions["ignored"]]
    result = []
    for label in range(num_classes):
        detections = np.flatnonzero(classes == label)
        by_score = detections[np.argsort(-scores[detections], kind="stable")]
        matched = matches[by_score]
        ground_truths = int(np.count_nonzero(counted == label))
        result.append(_curve(matched[~ignored[matched]], ground_truths, len(detections)))
    return result


def mean_average_precision(curves):
    """Returns the means of both average precisions over the classes that have objects.

    Args:
        curves: the `ClassCurve`s of all classes, at an IoU of 0.5.

    Returns:
        A dict of floats from 0 to 1, or None if no class has an object: `map_50` (the areas under the curves) and
        `map_50_11_point`.
    """
    return {
        "map_50": mean_of_defined([curve.average_precision for curve in curves]),
        "map_50_11_point": mean_of_defined([curve.average_precision_11_point for curve in curves]),
    }


def _matches(predictions, iou_threshold):
    """Returns (N, D) int64: the place, in (N * G), of the object that a detection overlaps most; -1: not enough."""
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
    """The curve of detections by falling score, matched (n,) with objects, or with none: -1."""
    right = np.zeros(len(matched), bool)
    right[np.unique(matched, return_index=True)[1]] = True  # the first one of each object
    found = np.cumsum(right & (matched >= 0))
    precision = found / np.arange(1, len(matched) + 1)
    return ClassCurve(ground_truths, detections, precision, recall=found / max(ground_truths, 1))
