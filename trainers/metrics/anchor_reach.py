"""How many objects the anchors of a model reach, and sizes of anchors that suit the objects.

An anchor learns an object if their IoU is high enough (0.7 in Faster R-CNN, arXiv 1506.01497, section 3.1.2), or the
highest that the object has with any anchor.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from pycocotools.cocoeval import Params

from trainers.metrics.boxes import ious
from trainers.metrics.percent import percent

COCO = Params(iouType="bbox")
SIZES = dict(zip(COCO.areaRngLbl[1:], COCO.areaRng[1:]))  # limits of areas in squared pixels, without those of all
IOUS = {"reached_50": 0.5, "reached_70": 0.7}


def best_ious(boxes: np.ndarray, image_shapes: np.ndarray, anchors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the largest IoU of each object with the anchors inside of its image, and with all anchors, (n,) float64.

    An IoU of less than 1/2 may be returned as 0.

    Args:
        boxes: (n, 4), of the objects, in pixels of the resized images.
        image_shapes: (n, 2), height and width of the image of each, in pixels.
        anchors: (A, 4), the same for all images.
    """
    found, (x1, y1, x2, y2) = np.zeros((2, len(boxes))), np.ascontiguousarray(anchors.T)
    for i, (box, shape) in enumerate(zip(boxes, image_shapes)):
        x, y = (box[:2] + box[2:]) / 2
        # With an IoU of 1/2, two boxes share half of the width and of the height of each, and so its center.
        near = anchors[(x1 <= x) & (x <= x2) & (y1 <= y) & (y <= y2)]
        if len(near):
            overlaps = ious(near, box[np.newaxis])[:, 0]
            found[:, i] = np.max(overlaps * inside(near, shape)), np.max(overlaps)
    return found[0], found[1]


def inside(anchors: np.ndarray, image_shape: np.ndarray) -> np.ndarray:
    """Returns whether anchors (A, 4) lie inside of an image of this height and width, (A,) bool."""
    return np.all((anchors[:, :2] >= 0) & (anchors[:, 2:] <= image_shape[::-1]), axis=1)


def anchor_reach(boxes: np.ndarray, best: np.ndarray) -> dict[str, Any]:
    """Returns how many objects an anchor reaches with an IoU of 0.5 and of 0.7 at least.

    Args:
        boxes: (n, 4), of the objects, in pixels of the resized images.
        best: (n,), the largest IoU of each with an anchor.

    Returns:
        Dict of `objects`, `reached_50` and `reached_70`, integers, and of `small`, `medium` and `large`, such dicts.
    """

    def counts(best):
        return {"objects": len(best), **{name: int(np.sum(best >= least)) for name, least in IOUS.items()}}

    areas = _areas(boxes)
    of_sizes = {name: best[(areas >= low) & (areas < high)] for name, (low, high) in SIZES.items()}
    return {**counts(best), **{name: counts(best) for name, best in of_sizes.items()}}


def suggested_sizes(boxes: np.ndarray, count: int) -> list[int]:
    """Returns at most `count` sizes of anchors, rising: quantiles of the objects' sizes, rounded to powers of sqrt(2).

    A size is the square root of an area. An anchor of the same shape and center as an object, and sqrt(2) times its
    size, has an IoU of 1/2.

    Args:
        boxes: (n, 4), of at least one object, in pixels of the resized images.
        count: the largest number of sizes.
    """
    sizes = np.log2(np.maximum(_areas(boxes), 1)) / 2
    quantiles = np.quantile(sizes, (np.arange(count) + 0.5) / count)
    return sorted({round(2 ** (np.round(2 * quantile) / 2)) for quantile in quantiles.tolist()})


def doubling_sizes(boxes: np.ndarray, count: int) -> list[int]:
    """Returns `count` sizes of anchors, each twice the one before it, for the levels of a pyramid.

    The middle one is the median of the objects' sizes, rounded to a power of sqrt(2).

    Args:
        boxes: see `suggested_sizes`.
        count: the number of levels.
    """
    middle = np.round(np.median(np.log2(np.maximum(_areas(boxes), 1)))) / 2
    return [max(1, round(2 ** (middle + level))) for level in np.arange(count) - count // 2]


def in_words(reach: Mapping[str, Any], images: str) -> list[str]:
    """Returns two lines of text about a result of `anchor_reach`, of at least one object, in some `images`."""
    at_50, at_70 = (percent(reach[name] / reach["objects"]) for name in IOUS)
    of_sizes = [f"{name} {reach[name]['reached_50']:,} of {reach[name]['objects']:,}" for name in SIZES]
    small, large = (round(limit**0.5) for limit in SIZES["medium"])
    return [
        f"anchors reach {at_50} of {reach['objects']:,} objects with an IoU of 0.5, and {at_70} with 0.7 ({images})",
        f"with an IoU of 0.5: {', '.join(of_sizes)} (small: under {small}x{small} px, large: from {large}x{large} px)",
    ]


def _areas(boxes):
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
