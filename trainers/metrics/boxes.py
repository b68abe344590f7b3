"""Boxes as pycocotools takes them, in double precision: an IoU that equals the threshold counts as that."""

import numpy as np
from pycocotools import mask


def xywh(boxes):
    """Returns [x1, y1, width, height], (..., 4) float64, of boxes [x1, y1, x2, y2] (..., 4)."""
    boxes = np.asarray(boxes, np.float64)
    return np.concatenate([boxes[..., :2], boxes[..., 2:] - boxes[..., :2]], axis=-1)


def ious(boxes, others):
    """Returns the intersections over unions (n, m) float64 of boxes (n, 4) and others (m, 4); n and m are not 0."""
    return mask.iou(xywh(boxes), xywh(others), np.zeros(len(others), np.uint8))
