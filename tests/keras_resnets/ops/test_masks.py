"""Masks: in boxes by hand, and in images against torchvision 0.29, whose answers are stored in `references`."""

import numpy as np
import pytest
import tensorflow as tf
from torch_tensors import REFERENCES

from keras_resnets.ops.masks import crop_masks, paste_masks, resample

RANDOM = np.random.default_rng(0)


def disc(height, width, box):
    """Returns the mask (height, width) uint8 of an ellipse that fills a box."""
    x1, y1, x2, y2 = box
    y, x = np.mgrid[:height, :width] + 0.5
    return np.uint8(((2 * x - x1 - x2) / (x2 - x1)) ** 2 + ((2 * y - y1 - y2) / (y2 - y1)) ** 2 <= 1)


def test_a_box_of_whole_pixels_is_cut_out():
    masks = RANDOM.integers(0, 2, (2, 20, 30), dtype="uint8")
    cropped = crop_masks(masks, [[3, 5, 11, 13], [20, 12, 28, 20]], 8)
    assert cropped.dtype == "uint8"
    np.testing.assert_array_equal(cropped, [masks[0, 5:13, 3:11], masks[1, 12:20, 20:28]])


def test_a_cell_has_the_mean_of_what_it_covers():
    mask = np.float32([[[1, 0], [0.5, 1]]])  # of 10x10 px each
    box = [[0.0, 0, 20, 20]]
    np.testing.assert_allclose(resample(mask, box, [[0.0, 0, 20, 20]], 1), [[[0.625]]])
    np.testing.assert_allclose(resample(mask, box, [[5.0, 0, 15, 10]], 1), [[[0.5]]])
    # Half of the left cells, and all of the right ones, are outside of the box.
    np.testing.assert_allclose(resample(mask, box, [[15.0, 0, 25, 20]], 2), [[[0, 0], [1, 0]]])
    np.testing.assert_allclose(resample(mask, box, [[18.0, 0, 22, 10]], 1), [[[0.0]]])
    np.testing.assert_allclose(resample(mask, box, [[18.0, 10, 22, 20]], 1), [[[0.5]]])


def test_boxes_without_an_area_make_finite_masks():
    masks = np.ones((3, 4, 4), "float32")
    boxes = np.float32([[-1, -1, -1, -1], [2, 2, 2, 9], [0, 0, 4, 4]])
    for old, new in ((boxes, boxes[::-1]), (boxes[::-1], boxes)):
        assert np.all(np.isfinite(resample(masks, old, new, 5)))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_pasted_masks_are_torchvisions(jit_compile):
    # Among the boxes are some beyond the image, one of less than a pixel, and the whole image.
    with np.load(REFERENCES / "paste_masks.npz") as file:
        masks, boxes, sides = file["masks"].astype("float32"), file["boxes"], (int(file["height"]), int(file["width"]))
        expected = np.unpackbits(file["pasted"], axis=-1, count=sides[1])
    paste = tf.function(lambda masks, boxes: paste_masks(masks, boxes, *sides), jit_compile=jit_compile)
    pasted = paste(masks[np.newaxis], boxes[np.newaxis])
    assert pasted.dtype == "uint8" and pasted.shape == (1, len(boxes), *sides)
    assert np.all(expected.any(axis=(1, 2))[[0, 1, 2]])
    assert np.mean(pasted[0] != expected) < 1e-4  # Rounding may move a probability over the threshold.


def test_a_mask_that_is_cut_out_and_pasted_is_nearly_itself():
    boxes = np.float32([[3, 5, 63, 45], [20.5, 10.5, 98, 70]])
    masks = np.stack([disc(80, 100, box) for box in boxes])
    cropped = tf.cast(crop_masks(masks, boxes), tf.float32)
    small = resample(cropped, boxes, boxes, 28)
    pasted = paste_masks(small[np.newaxis], boxes[np.newaxis], 80, 100)[0]
    shared, either = np.sum(masks & pasted, axis=(1, 2)), np.sum(masks | pasted, axis=(1, 2))
    assert np.all(shared / either > 0.94)
