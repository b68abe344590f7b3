"""Spatial pyramid pooling against loops over cells, RoI pooling and Keras's own pooling."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_resnets import ArgumentError
from keras_resnets.layers import RoIPooling, SpatialPyramidPooling

RANDOM = np.random.default_rng(0)
HEIGHT, WIDTH, STRIDE = 11, 23, 14  # TensorFlow turns x / 14 into x * (1 / 14), which is not exact.


def maps(*shape):
    """Returns features without two equal values, some of which are negative."""
    return RANDOM.permutation(math.prod(shape)).reshape(shape).astype("float32") - 50


def windows(images, count):
    """Returns windows of all sizes: on and between pixels and cells' centers, and across the image's border."""
    corners = RANDOM.uniform(-20, [WIDTH * STRIDE + 20, HEIGHT * STRIDE + 20], (images, count, 2, 2))
    corners[:, ::2] = np.round(corners[:, ::2] / STRIDE) * STRIDE
    corners[:, ::4] += 0.5
    corners[:, 1::4] = np.round(corners[:, 1::4])
    return np.concatenate([corners.min(2), corners.max(2)], axis=-1).astype("float32")


def cells(low, high, stride, size):
    """Returns the cells of a window along one side, found by looking at each of a map without borders."""
    inside = [i for i in range(-9, size + 9) if low < stride * i + 0.5 < high]
    middle = (low + high - 1) / 2
    inside = inside or [min(range(-9, size + 9), key=lambda i: (abs(stride * i - middle), -i))]
    return np.unique(np.clip(inside, 0, size - 1))


def grid(window, levels):
    """Returns the bins (M, h, w, C) of a window (h, w, C), as a list."""
    height, width = window.shape[:2]
    return [
        window[p * height // n : math.ceil((p + 1) * height / n), q * width // n : math.ceil((q + 1) * width / n)]
        for n in levels
        for p in range(n)
        for q in range(n)
    ]


def brute_force(features, rois, levels, stride):
    """Returns what is pooled (B, R, M * C), and the gradient of its sum."""
    pooled, gradient = [], np.zeros_like(features)
    for image, regions, target in zip(features, rois, gradient):
        for x1, y1, x2, y2 in regions:
            rows, columns = cells(y1, y2, stride, image.shape[0]), cells(x1, x2, stride, image.shape[1])
            for bin_ in grid(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], levels):
                pooled.append(bin_.max((0, 1)))
                target += image == pooled[-1]  # All values of a map are different.
    return np.reshape(pooled, [*rois.shape[:2], -1]), gradient


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("levels", [(1, 2, 3, 6), pytest.param((4, 1, 3), marks=pytest.mark.slow)])
def test_windows_and_their_gradient_equal_loops(levels, jit_compile):
    features, rois = maps(2, HEIGHT, WIDTH, 3), windows(2, 40)
    layer = SpatialPyramidPooling(levels, STRIDE)

    @tf.function(jit_compile=jit_compile)
    def run(features, rois):
        with tf.GradientTape() as tape:
            tape.watch([features, rois])
            pooled = layer(features, rois)
        return pooled, *tape.gradient(pooled, [features, rois])

    pooled, gradient, none = run(tf.constant(features), tf.constant(rois))
    expected, expected_gradient = brute_force(features, rois, levels, STRIDE)
    np.testing.assert_array_equal(pooled, expected)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-6)
    assert none is None


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("size", [(11, 23), (2, 5)])  # The second has fewer cells than bins.
def test_the_whole_map_and_its_gradient_equal_loops(size, jit_compile):
    features = maps(2, *size, 3)
    layer = SpatialPyramidPooling()

    @tf.function(jit_compile=jit_compile, input_signature=[tf.TensorSpec([None, None, None, 3])])
    def run(features):
        with tf.GradientTape() as tape:
            tape.watch(features)
            pooled = layer(features)
        return pooled, tape.gradient(pooled, features)

    pooled, gradient = run(features)
    whole = np.array([[[0, 0, size[1], size[0]]]] * 2)
    expected, expected_gradient = brute_force(features, whole, (1, 2, 3, 6), 1)
    np.testing.assert_array_equal(pooled, expected[:, 0])
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-6)


@pytest.mark.parametrize(
    "x1, x2, first, last",
    [
        (0, 224, 0, 13),  # The whole image has the whole map.
        (0, 16, 0, 0),
        (16, 32, 1, 1),  # Windows side by side have no cell in common.
        (16, 33, 1, 2),
        (17, 30, 1, 1),  # Pixels 17 to 29 have no center: 16 is the nearest to their middle, 23.
        (19, 32, 2, 2),  # 32 is the nearest to 25.
        (17, 33, 2, 2),  # floor(17 / 16) + 1, ceil(33 / 16) - 1
        (5, 100, 1, 6),  # floor(5 / 16) + 1, ceil(100 / 16) - 1
        (15.4, 16.6, 1, 1),
        (16.6, 48.4, 2, 2),  # The centers of pixels 16 and 48 are at 16.5 and 48.5.
        (-40, 10, 0, 0),
        (300, 400, 13, 13),
    ],
)
def test_which_cells_a_window_has(x1, x2, first, last):
    columns = np.arange(14, dtype="float32").reshape(1, 1, 14, 1)
    both = np.concatenate([columns, -columns], axis=-1)
    pooled = SpatialPyramidPooling((1,), 16)(both, np.float32([[[x1, 0, x2, 16]]])).numpy()
    assert (pooled[0, 0, 0], -pooled[0, 0, 1]) == (last, first)


def test_bins_are_those_of_roi_pooling_where_windows_have_the_same_cells():
    features = maps(2, HEIGHT, WIDTH, 3)
    first = RANDOM.integers(0, [WIDTH, HEIGHT], (2, 30, 2))
    last = RANDOM.integers(first, [WIDTH, HEIGHT])
    # RoI pooling takes corners as cells, both of which belong to the window.
    expected = RoIPooling(6, 1)(features, np.concatenate([first, last], axis=-1))
    pooled = SpatialPyramidPooling((6,), STRIDE)(features, np.concatenate([first, last + 1], axis=-1) * STRIDE)
    np.testing.assert_array_equal(pooled, tf.reshape(expected, [2, 30, -1]))


@pytest.mark.parametrize("bins, pool_size, step", [(6, 3, 2), (4, 4, 3), (3, 5, 4), (2, 7, 6), (1, 13, 13)])
def test_bins_of_13_cells_are_those_of_training_with_images_of_one_size(bins, pool_size, step):
    features = maps(2, 13, 13, 4)
    expected = keras.layers.MaxPooling2D(pool_size, step)(features)
    np.testing.assert_array_equal(SpatialPyramidPooling((bins,))(features), tf.reshape(expected, [2, -1]))


def test_the_papers_vector_and_shapes_known_before_the_call():
    layer = SpatialPyramidPooling(stride=16)
    assert layer(keras.Input((13, 13, 256))).shape == (None, 12_800)
    assert layer(keras.Input((None, None, 256))).shape == (None, 12_800)
    assert layer(keras.Input((13, 13, 256)), keras.Input((7, 4))).shape == (None, 7, 12_800)
    assert SpatialPyramidPooling((1, 2, 3, 4))(keras.Input((13, 13, 256))).shape == (None, 7_680)
    assert layer(maps(2, 9, 7, 2), windows(2, 5)).shape == (2, 5, 100)


def test_the_whole_image_has_the_whole_map():
    features = maps(2, 13, 17, 2)
    layer = SpatialPyramidPooling(stride=16)
    whole = np.float32([[[0, 0, 270, 200]]] * 2)  # The last cells have their centers at 256 and 192.
    np.testing.assert_array_equal(layer(features, whole)[:, 0], layer(features))


def test_windows_keep_their_precision_inside_of_mixed_precision():
    features = tf.cast(RANDOM.normal(size=(1, 64, 70, 2)), "bfloat16")
    rois = np.float32([[[1009, 517, 1079, 609]]])  # bfloat16 would make 1009 1008, a center.
    half = SpatialPyramidPooling(stride=16, dtype="mixed_bfloat16")(features, rois)
    assert half.dtype == "bfloat16"
    exact = SpatialPyramidPooling(stride=16)(tf.cast(features, "float32"), rois)
    np.testing.assert_array_equal(tf.cast(half, "float32"), exact)


@pytest.mark.parametrize("arguments", [{}, {"levels": [1, 4], "stride": 12, "name": "spp"}])
def test_configuration(arguments, tmp_path):
    layer = SpatialPyramidPooling(**arguments)
    assert SpatialPyramidPooling.from_config(layer.get_config()).get_config() == layer.get_config()
    features = keras.Input((5, 6, 2))
    keras.Model(features, layer(features)).save(tmp_path / "model.keras")
    saved = keras.saving.load_model(tmp_path / "model.keras").layers[-1]
    assert (saved.levels, saved.stride, saved.name) == (layer.levels, layer.stride, layer.name)


def test_early_errors():
    features, rois = keras.Input((9, 7, 6)), keras.Input((11, 4))
    with pytest.raises(ArgumentError, match="its height and width must be known"):
        SpatialPyramidPooling(stride=16)(keras.Input((None, 7, 6)), rois)
    for arguments in ((features, rois), (maps(1, 9, 7, 6), windows(1, 3))):
        layer = SpatialPyramidPooling()
        layer(features)
        with pytest.raises(ArgumentError, match="stride=None is for the whole map: windows need one"):
            SpatialPyramidPooling()(*arguments)
    with pytest.raises(ArgumentError, match="stride=None"):
        layer(*arguments)
    for levels in ((), (1, 0), (1.5,)):
        with pytest.raises(ArgumentError, match="levels=.* must be a list of positive integers"):
            SpatialPyramidPooling(levels)
    for stride in (0, 16.5):
        with pytest.raises(ArgumentError, match="stride=.* must be a positive integer"):
            SpatialPyramidPooling(stride=stride)
