"""Sizes of a detector's images."""

import numpy as np
import pytest
import tensorflow as tf

from keras_resnets.detection.resizing import Resizing, to_original
from keras_resnets.errors import ArgumentError


@pytest.mark.parametrize(
    "shape, target",
    [
        ((480, 640), (600, 800)),
        ((300, 900), (333, 1000)),  # The long side would be 1,800.
        ((2000, 1000), (1000, 500)),
        ((600, 1000), (600, 1000)),
        ((1, 5000), (1, 1000)),
    ],
)
def test_images_keep_their_proportions(shape, target):
    resized, scale = Resizing(600, 1000, (1024, 1024)).resize(np.zeros((*shape, 3), np.uint8))
    assert resized.shape == (*target, 3)
    np.testing.assert_allclose(scale, np.array(target) / shape)


def test_images_that_do_not_fit_the_canvas_become_smaller():
    resizing = Resizing(600, 1000, (640, 1024))
    resized, scale = resizing.resize(np.full((1000, 600, 3), 7, np.uint8))
    assert resized.shape == (640, 384, 3)
    canvas, valid = resizing.pad(resized)
    assert canvas.shape == (640, 1024, 3) and list(valid) == [640, 384]
    np.testing.assert_allclose(canvas[:640, :384], 7, rtol=1e-5)
    assert not np.any(canvas[:, 384:])
    boxes = np.float32([[[0, 0, 384, 640]]])
    np.testing.assert_allclose(to_original(boxes, scale[tf.newaxis]), [[[0, 0, 600, 1000]]], rtol=1e-6)


def test_an_image_of_the_right_size_keeps_its_values():
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    resized, scale = Resizing(64, 96, (96, 96)).resize(image)
    np.testing.assert_array_equal(resized, image)
    np.testing.assert_array_equal(scale, [1, 1])


def test_sizes_that_cannot_be_are_refused():
    with pytest.raises(ArgumentError, match="short_side=600, long_side=500 and canvas="):
        Resizing(600, 500, (600, 600))
