"""The masks of COCO's annotations: the boxes around them, and their pixels as run lengths."""

import itertools
from typing import Any

import numpy as np
from pycocotools import mask

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
    try:
        height, width = map(int, runs["size"])
        if min(height, width) < 1:
            raise ValueError("pycocotools divides by the height")
        encoded = mask.frPyObjects(runs, height, width) if isinstance(runs["counts"], list) else runs
        x, y, width, height = mask.toBbox(encoded).tolist()
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise Damage("mask whose run lengths cannot be read") from error
    return [x, y, x + width, y + height]


def mask_runs(segmentation: Any, box: list[float], height: int, width: int, relative: bool = False) -> bytes:
    """Returns the pixels of a mask as COCO's compressed run lengths: see `trainers.metrics.masks`.

    Args:
        segmentation: see `mask_box`; None for an object without.
        box: of the object, [x1, y1, x2, y2] in pixels.
        height, width: of the image, in pixels.
        relative: whether polygons are in shares of the image's sides, and not in pixels.

    Raises:
        Damage: if it is missing, neither polygons nor run lengths, for another size of image, or without a pixel in the
            box.
    """
    if not segmentation:
        raise Damage("no mask")
    if isinstance(segmentation, dict):
        encoded = _of_runs(segmentation, height, width)
    else:
        encoded = _of_polygons(segmentation, height, width, relative)
    x, y, w, h = mask.toBbox(encoded)
    if not w or not h or x >= box[2] or y >= box[3] or x + w <= box[0] or y + h <= box[1]:
        raise Damage("mask without a pixel in the object's box")
    return encoded["counts"]


def _of_polygons(polygons, height, width, relative):
    mask_box(polygons)
    if not all(isinstance(one, list) and len(one) >= 6 and len(one) % 2 == 0 for one in polygons):
        raise Damage("mask with fewer than three points, or half a point")
    sides = np.array([width, height], float)
    polygons = [np.array(one, float).reshape(-1, 2) * (sides if relative else 1) for one in polygons]
    # pycocotools draws what is outside, too, up to any number of pixels.
    if not all(np.all((one >= -sides) & (one <= 2 * sides)) for one in polygons):
        raise Damage("mask far outside of the image")
    return mask.merge(mask.frPyObjects([one.ravel().tolist() for one in polygons], height, width))


def _of_runs(runs, height, width):
    mask_box(runs)
    if list(map(int, runs["size"])) != [height, width]:
        raise Damage("mask of another size than its image", f"size={runs['size']}; height={height} width={width}")
    counts = runs["counts"] if isinstance(runs["counts"], list) else _uncompressed(runs["counts"])
    # pycocotools would write behind the end of the image.
    if min(counts, default=0) < 0 or sum(counts) != height * width:
        raise Damage("mask whose run lengths are not as many as the image's pixels")
    return mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)


def _uncompressed(text):
    """Returns the run lengths that a text has, five bits a character; from the fourth on, the last but one is added."""
    lengths, value, shift = [], 0, 0
    for code in text.encode() if isinstance(text, str) else text:
        bits = code - ord("0")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            value -= (1 << shift) * (bits >> 4 & 1)
            lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
            value = shift = 0
    return lengths
