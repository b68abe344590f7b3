"""Boxes for pycocotools, in double precision: an IoU may equal a threshold exactly."""

import numpy as np
from numpy.typing import ArrayLike
from pycocotools import mask


def xywh(boxes: ArrayLike) -> np.ndarray:
    """Returns [x1, y1, width, height], (..., 4) float64, of boxes [x1, y1, x2, y2], (..., 4)."""
    boxes = np.asarray(boxes, np.float64)
    return np.concatenate([boxes[..., :2], boxes[..., 2:] - boxes[..., :2]], axis=-1)


def ious(boxes: ArrayLike, others: ArrayLike) -> np.ndarray:
    """Returns the IoU of each pair, (n, m) float64, of boxes (n, 4) and others (m, 4); n and m are at least 1."""
    return mask.iou(xywh(boxes), xywh(others), np.zeros(len(others), np.uint8))
