"""Boxes around the masks of COCO's annotations."""

import itertools
from typing import Any

from trainers.data.sources.problems import Damage


def mask_box(segmentation: Any) -> list[float]:
    """Returns the box around a mask, [x1, y1, x2, y2] in pixels.

    Args:
        segmentation: an annotation's `segmentation`: polygons, each a list of x, y, x, y ..., or a run-length encoding,
            a dict of `size` and `counts`, a list or compressed text.

    Raises:
        Damage: if it is neither, or empty.
    """
    box = _around_runs(segmentation) if isinstance(segmentation, dict) else _around_polygons(segmentation)
    if box[0] >= box[2] or box[1] >= box[3]:
        raise Damage("empty mask")
    return box


def _around_polygons(polygons):
    try:
        values = [float(value) for value in itertools.chain.from_iterable(polygons)]
    except (TypeError, ValueError) as error:
        raise Damage("mask that is neither polygons nor run lengths") from error
    if len(values) < 6 or len(values) % 2:
        raise Damage("mask with fewer than three points, or half a point")
    x, y = values[::2], values[1::2]
    return [min(x), min(y), max(x), max(y)]


def _around_runs(runs):
    from pycocotools import mask

    try:
        height, width = map(int, runs["size"])
        if min(height, width) < 1:
            raise ValueError("pycocotools divides by the height")
        encoded = mask.frPyObjects(runs, height, width) if isinstance(runs["counts"], list) else runs
        x, y, width, height = mask.toBbox(encoded).tolist()
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise Damage("mask whose run lengths cannot be read") from error
    return [x, y, x + width, y + height]
