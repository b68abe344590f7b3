"""Warped regions against a loop over pixels, and the context that R-CNN's paper asks for."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_resnets import ArgumentError
from keras_resnets.layers import RegionWarping

RANDOM = np.random.default_rng(0)
HEIGHT, WIDTH = 23, 31
BOXES = [
    [[3, 4, 17, 20], [-10, -6, 9, 12], [20, 15, 60, 40], [0, 0, WIDTH, HEIGHT]],
    [[7, 9, 8, 10], [30, 22, 31, 23], [-50, -50, -20, -20], [0, 0, 0, 0]],  # one pixel, outside, and padding
]


def images(count=2, channels=3):
    return RANDOM.normal(size=(count, HEIGHT, WIDTH, channels)).astype("float32")


def regions():
    """Returns (2, 12, 4): BOXES, and some of any size and place."""
    corners = RANDOM.uniform(-8, [WIDTH + 8, HEIGHT + 8], (2, 8, 2, 2))
    return np.concatenate([BOXES, np.concatenate([corners.min(2), corners.max(2)], axis=-1)], axis=1).astype("float32")


def pixel(image, y, x):
    """Returns the value (C,) of an image at a row and a column, which need not be whole; outside there are zeros."""
    value = np.zeros(image.shape[-1])
    for row in (int(np.floor(y)), int(np.floor(y)) + 1):
        for column in (int(np.floor(x)), int(np.floor(x)) + 1):
            if 0 <= row < image.shape[0] and 0 <= column < image.shape[1]:
                value += (1 - abs(y - row)) * (1 - abs(x - column)) * image[row, column]
    return value


def brute_force(image, region, size, context):
    """Returns the square (S, S, C) of a region, pixel after pixel."""
    x1, y1, x2, y2 = np.float64(region)
    inner = size - 2 * context
    # The box has the inner pixels of the square; pixel p's center is at p + 1/2.
    rows, columns = (
        [low + (p + 0.5 - context) / inner * (high - low) - 0.5 for p in range(size)]
        for low, high in ((y1, y2), (x1, x2))
    )
    return np.array([[pixel(image, y, x) for x in columns] for y in rows])


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("size, context", [(12, 2), (7, 0)])
def test_squares_equal_loops_and_have_no_gradient(size, context, jit_compile):
    pixels, rois, layer = images(), regions(), RegionWarping(size, context)

    @tf.function(jit_compile=jit_compile)
    def run(pixels, rois):
        with tf.GradientTape() as tape:
            tape.watch([pixels, rois])
            squares = layer(pixels, rois)
        return squares, *tape.gradient(squares, [pixels, rois])

    squares, *gradients = run(tf.constant(pixels), tf.constant(rois))
    expected = [[brute_force(image, roi, size, context) for roi in of_image] for image, of_image in zip(pixels, rois)]
    np.testing.assert_allclose(squares, expected, rtol=0, atol=1e-4)
    assert gradients == [None, None]
    assert not np.any(squares[1, 2])  # It is outside.


@pytest.mark.parametrize("width, height", [(195, 195), (390, 195), (195, 585)])
def test_the_papers_context_is_16_pixels(width, height):
    layer = RegionWarping()
    assert layer.pool_size / (layer.pool_size - 2 * layer.context) == pytest.approx(1.1641, abs=1e-5)
    image = np.zeros((1, 700, 500, 1), "float32")
    image[:, 50 : 50 + height, 40 : 40 + width] = 1
    square = layer(image, np.float32([[[40, 50, 40 + width, 50 + height]]]))[0, 0, ..., 0]
    expected = np.zeros((227, 227))
    expected[16:-16, 16:-16] = 1
    np.testing.assert_allclose(square, expected, rtol=0, atol=1e-4)


def test_a_box_of_the_squares_size_is_a_slice_of_the_image():
    image = images(1)
    square = RegionWarping(12, 2)(image, np.float32([[[5, 6, 13, 14], [-2, 17, 6, 25]]]))[0]
    np.testing.assert_allclose(square[0], image[0, 4:16, 3:15], rtol=0, atol=1e-5)
    expected = np.zeros((12, 12, 3))
    expected[:8, 4:] = image[0, 15:23, :8]
    np.testing.assert_allclose(square[1], expected, rtol=0, atol=1e-5)


def test_regions_keep_their_precision_inside_of_mixed_precision():
    image = tf.cast(RANDOM.normal(size=(1, 12, 1100, 2)), "bfloat16")
    rois = np.float32([[[1003, 2, 1011, 10]]])  # bfloat16 would make 1003 1000 or 1004.
    square = RegionWarping(12, 2, dtype="mixed_bfloat16")(image, rois)
    assert square.dtype == "bfloat16"
    # A neighbour's share is 1e-4 at most, where the deviation of these numbers is 1.
    expected = tf.cast(image, "float32")[0, :, 1001:1013]
    np.testing.assert_allclose(tf.cast(square, "float32")[0, 0], expected, rtol=2**-8, atol=1e-3)


def test_shapes_and_configuration(tmp_path):
    layer = RegionWarping(40, 5, name="warping")
    image, rois = keras.Input((HEIGHT, WIDTH, 3)), keras.Input((11, 4))
    assert layer(image, rois).shape == (None, 11, 40, 40, 3)
    assert RegionWarping.from_config(layer.get_config()).get_config() == layer.get_config()
    keras.Model([image, rois], layer(image, rois)).save(tmp_path / "model.keras")
    saved = keras.saving.load_model(tmp_path / "model.keras").layers[-1]
    assert (saved.pool_size, saved.context, saved.name) == (40, 5, "warping")


def test_a_configuration_of_an_older_version_has_a_stride_that_means_nothing():
    config = RegionWarping(40, 5).get_config()
    assert RegionWarping.from_config({**config, "stride": 1}).get_config() == config


def test_early_errors():
    for context in (-1, 6, 20):
        with pytest.raises(ArgumentError, match=f"context={context} must be from 0 on, and less than half of the 12 p"):
            RegionWarping(12, context)
    with pytest.raises(ArgumentError, match="its height and width must be known"):
        RegionWarping()(keras.Input((None, WIDTH, 3)), keras.Input((11, 4)))
