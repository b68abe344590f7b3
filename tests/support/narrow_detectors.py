"""Inputs and comparisons of small detectors."""

import numpy as np

SHAPES = [[64, 80], [48, 96]]
TARGETS = {
    "boxes": np.float32([[[5, 5, 40, 40], 4 * [-1]], [[10, 10, 30, 30], [50, 5, 90, 40]]]),
    "classes": np.int32([[1, -1], [0, 2]]),
}
SEEDS = [[0, 0], [0, 1]]


def noise(height=64, width=96, count=2, seed=0):
    """Returns images of noise, (count, height, width, 3) float32, 0..255."""
    return np.random.default_rng(seed).uniform(0, 255, (count, height, width, 3)).astype("float32")


def inputs(images=None, image_shapes=SHAPES):
    """Returns a detector's input: `images`, noise by default, and `image_shapes`."""
    return {"images": noise() if images is None else images, "image_shapes": np.array(image_shapes, "int32")}


def assert_same(found, expected, tolerance=1e-4):
    """Asserts that detections are the same: scores up to a tolerance, boxes up to a hundred times as much."""
    assert np.all(np.array(expected["num_detections"]) > 3)  # Otherwise this would say little.
    for name in ("num_detections", "classes"):
        np.testing.assert_array_equal(found[name], expected[name])
    np.testing.assert_allclose(found["scores"], expected["scores"], rtol=0, atol=tolerance)
    np.testing.assert_allclose(found["boxes"], expected["boxes"], rtol=0, atol=100 * tolerance)
