"""Masks of objects as COCO's compressed run lengths, by pycocotools: a few hundred bytes in place of all pixels."""

import numpy as np
from pycocotools import mask


def encode(masks: np.ndarray) -> np.ndarray:
    """Returns the run lengths, (n,) of bytes, of masks (n, H, W) uint8, 0 or 1.

    They are fastest where each mask has its columns in memory one after another, as pycocotools reads them.
    """
    runs = np.empty(len(masks), object)
    for i, pixels in enumerate(masks):
        runs[i] = mask.encode(np.asfortranarray(pixels))["counts"]
    return runs


def decode(runs: bytes | str, height: int, width: int) -> np.ndarray:
    """Returns a mask, (H, W) uint8, 0 or 1.

    Raises:
        ValueError: if the run lengths are those of another size, or damaged.
    """
    return mask.decode(as_coco(runs, height, width))


def as_coco(runs: bytes | str, height: int, width: int) -> dict:
    """Returns a mask as pycocotools takes it."""
    return {"size": [height, width], "counts": runs}
