"""Masks of COCO's annotations, as run lengths."""

import numpy as np
import pytest
from pycocotools import mask

from trainers.data.sources.masks import mask_runs
from trainers.data.sources.problems import Damage
from trainers.metrics.masks import decode

HEIGHT, WIDTH = 20, 30
BOX = [4, 3, 14, 11]
SQUARE = [4, 3, 14, 3, 14, 11, 4, 11]


def pixels():
    """Returns the mask of `SQUARE`."""
    found = np.zeros((HEIGHT, WIDTH), np.uint8)
    found[3:11, 4:14] = 1
    return found


def counts_of(pixels):
    """Returns run lengths along the columns, the first one of zeros."""
    flat = pixels.T.ravel()
    ends = np.flatnonzero(np.diff(flat, prepend=0)).tolist() + [flat.size]
    return np.diff(ends, prepend=0).tolist()


@pytest.mark.parametrize("form", ["polygon", "two polygons", "numbers", "text", "bytes"])
def test_all_forms_of_a_mask_are_the_same_pixels(form):
    text = mask.encode(np.asfortranarray(pixels()))["counts"]
    segmentation = {
        "polygon": [SQUARE],
        "two polygons": [[4, 3, 9, 3, 9, 11, 4, 11], [9, 3, 14, 3, 14, 11, 9, 11]],
        "numbers": {"size": [HEIGHT, WIDTH], "counts": counts_of(pixels())},
        "text": {"size": [HEIGHT, WIDTH], "counts": text.decode()},
        "bytes": {"size": [HEIGHT, WIDTH], "counts": text},
    }[form]
    np.testing.assert_array_equal(decode(mask_runs(segmentation, BOX, HEIGHT, WIDTH), HEIGHT, WIDTH), pixels())


def test_polygons_may_be_shares_of_the_sides():
    shares = (np.reshape(SQUARE, [-1, 2]) / [WIDTH, HEIGHT]).ravel().tolist()
    np.testing.assert_array_equal(decode(mask_runs([shares], BOX, HEIGHT, WIDTH, True), HEIGHT, WIDTH), pixels())


def test_the_run_lengths_of_any_mask_are_read():
    random = np.random.default_rng(0)
    for _ in range(50):
        height, width = random.integers(1, 60, 2).tolist()
        noise = (random.random((height, width)) < random.random()).astype(np.uint8)
        noise[0, 0] = 1
        text = mask.encode(np.asfortranarray(noise))["counts"]
        assert mask_runs({"size": [height, width], "counts": text}, [0, 0, width, height], height, width) == text


@pytest.mark.parametrize(
    "segmentation, cause",
    [
        (None, "no mask"),
        ([], "no mask"),
        ([[4, 3, 14, 3]], "fewer than three points"),
        ([SQUARE, [1, 1, 2, 2]], "fewer than three points"),
        ([[4, 3, 14, 3, 14, 11, 4]], "half a point"),
        (SQUARE, "neither polygons nor run lengths"),
        ([[4, 3, 14, 3, float("nan"), 11]], "far outside of the image"),
        ([[4, 3, 1e9, 3, 14, 11]], "far outside of the image"),
        ([[20, 3, 28, 3, 28, 11]], "without a pixel in the object's box"),
        ({"size": [WIDTH, HEIGHT], "counts": counts_of(pixels())}, "another size than its image"),
        ({"size": [HEIGHT, WIDTH], "counts": [5, 10]}, "not as many as the image's pixels"),
        ({"size": [HEIGHT, WIDTH], "counts": [70, -10, 540]}, "cannot be read"),
        ({"size": [HEIGHT, WIDTH], "counts": "0" * 1000}, "not as many as the image's pixels"),
        ({"size": [HEIGHT, WIDTH]}, "cannot be read"),
    ],
)
def test_a_mask_that_cannot_be_used_is_damage(segmentation, cause):
    with pytest.raises(Damage) as raised:
        mask_runs(segmentation, BOX, HEIGHT, WIDTH)
    assert cause in raised.value.cause
