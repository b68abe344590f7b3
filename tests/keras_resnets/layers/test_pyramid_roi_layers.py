"""Pooling of regions of a feature pyramid, against the layers of one map."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_resnets import ArgumentError
from keras_resnets.layers import PyramidRoIAlign, PyramidRoIPooling, RoIAlign, RoIPooling
from keras_resnets.xla import xla_scope

STRIDES = (4, 8, 16, 32)
HEIGHT, WIDTH = 320, 416  # px of the image
EXTREME = np.float32(
    [
        [0, 0, 10, 10],
        [-30, -40, 100, 90],  # outside of the image on two sides
        [380, 300, 460, 360],
        [-100, -100, 600, 500],  # larger than the image
        [50, 60, 50, 60],  # a point
        [70, 80, 70, 200],  # without width
        [90, 90, 60, 40],  # the corners are in the wrong order
        [500, 400, 520, 420],  # outside of the image
        [0, 0, 0, 0],
    ]
)


def maps(strides=STRIDES, channels=3, dtype="float32", more=0):
    """Returns maps of two images, and `more` coarser ones."""
    random = np.random.default_rng(0)
    strides = [*strides, *(strides[-1] * 2**i for i in range(1, more + 1))]
    shapes = [(2, -(-HEIGHT // stride), -(-WIDTH // stride), channels) for stride in strides]
    return [tf.cast(random.normal(0, 1, shape), dtype) for shape in shapes]


def regions(count=40):
    """Returns regions of two images, of all levels, the second image's in another order."""
    random = np.random.default_rng(1)
    sides = np.exp(random.uniform(np.log(8), np.log(400), (2, count, 2)))
    corners = random.uniform(0, 1, (2, count, 2)) * np.maximum([WIDTH, HEIGHT] - sides, 1)
    drawn = np.concatenate([corners, corners + sides], axis=-1).astype("float32")
    return np.concatenate([drawn, np.stack([EXTREME, EXTREME[::-1]])], axis=1)


def by_level(layer_of_stride, levels, features, rois):
    """Returns each region's features in the map of its level, by the layers of one map."""
    pooled = [layer_of_stride(stride)(part, rois).numpy() for stride, part in zip(STRIDES, features)]
    return np.stack(pooled, axis=2)[np.arange(2)[:, None], np.arange(rois.shape[1]), levels]


def torchvisions_levels(rois, canonical_size=224.0):
    """Returns the levels by the formula that torchvision has, of index 0 for stride 4."""
    sides = np.sqrt(np.prod(rois[..., 2:] - rois[..., :2], axis=-1, dtype="float32").clip(0))
    with np.errstate(divide="ignore"):
        return np.clip(np.floor(4 + np.log2(sides / canonical_size) + 1e-6), 2, 5).astype(int) - 2


@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-4), ("float16", 2e-2), ("bfloat16", 0.1)])
@pytest.mark.parametrize("for_xla", [False, True])
@pytest.mark.parametrize("aligned", [False, True])
def test_align_is_that_of_the_map_of_each_regions_level(aligned, for_xla, dtype, tolerance):
    layer = PyramidRoIAlign(5, aligned=aligned)
    features, rois = maps(dtype=dtype, more=1), regions()
    levels = layer.levels(tf.constant(rois)).numpy()
    assert set(levels.ravel()) == {0, 1, 2, 3}
    with xla_scope(for_xla):
        pooled = layer(features, rois)
    precise = [tf.cast(part, "float32") for part in features]
    expected = by_level(lambda stride: RoIAlign(5, stride, aligned=aligned), levels, precise, rois)
    assert pooled.dtype == dtype and pooled.shape == expected.shape == (2, rois.shape[1], 5, 5, 3)
    assert np.mean(np.any(expected, axis=(2, 3, 4))) > 0.9  # Otherwise this would say little.
    np.testing.assert_allclose(tf.cast(pooled, "float32"), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_max_pooling_is_that_of_the_map_of_each_regions_level(dtype):
    layer = PyramidRoIPooling(3)
    features, rois = maps(dtype=dtype, more=1), regions()
    levels = layer.levels(tf.constant(rois)).numpy()
    pooled = layer(features, rois)
    assert pooled.dtype == dtype
    precise = [tf.cast(part, "float32") for part in features]
    expected = by_level(lambda stride: RoIPooling(3, stride), levels, precise, rois)
    np.testing.assert_array_equal(tf.cast(pooled, "float32"), expected)


@pytest.mark.parametrize(
    "layer", [PyramidRoIAlign(4, aligned=False), PyramidRoIAlign(4), PyramidRoIPooling(3, (16, 32))]
)
def test_values_and_gradients_are_the_same_compiled(layer):
    features, rois = maps(layer.strides, channels=2), tf.constant(regions(20))
    cotangent = tf.random.stateless_normal((2, rois.shape[1], layer.pool_size, layer.pool_size, 2), seed=[0, 0])

    def run(features, rois, cotangent):
        with tf.GradientTape() as tape:
            tape.watch(features)
            pooled = layer(features, rois)
            total = tf.reduce_sum(pooled * cotangent)
        return pooled, *tape.gradient(total, features)

    expected = run(features, rois, cotangent)
    with xla_scope():
        gathered = run(features, rois, cotangent)
        compiled = tf.function(run, jit_compile=True)(features, rois, cotangent)
    for found in (gathered, compiled):
        for ours, plain in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, plain, rtol=0, atol=1e-4)
    assert all(np.any(gradient) for gradient in expected[1:])  # All maps have one.


@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-5), ("float16", 1e-3), ("bfloat16", 1e-2)])
def test_gradients_of_many_regions_at_one_place_are_those_of_matrix_products(dtype, tolerance):
    """Where threads add up in the same cells, or in 16 bits, a part of a gradient can be lost."""
    random = np.random.default_rng(0)
    corners, sides = random.uniform(0, 40, (1, 256, 2)), random.uniform(60, 110, (1, 256, 2))
    rois = tf.constant(np.concatenate([corners, corners + sides], axis=-1), tf.float32)
    features = tf.zeros((1, 40, 40, 256), dtype)
    cotangent = tf.cast(random.normal(1, 1, (1, 256, 7, 7, 256)), dtype)

    def gradient(layer, features, cotangent):
        with tf.GradientTape() as tape:
            tape.watch(features)
            pooled = layer(features, rois)
        return tf.cast(tape.gradient(pooled, features, cotangent), tf.float32).numpy()

    one_map = RoIAlign(7, 4)
    expected = gradient(one_map, tf.cast(features, tf.float32), tf.cast(cotangent, tf.float32))
    pyramid = PyramidRoIAlign(7, (4,))
    for for_xla in (False, False, False, True):
        with xla_scope(for_xla):
            found = gradient(lambda part, rois: pyramid([part], rois), features, cotangent)
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def test_coordinates_get_no_gradient_and_the_last_map_neither():
    features, rois = maps(more=1), tf.constant(regions(5))
    for layer in (PyramidRoIAlign(2), PyramidRoIPooling(2)):
        with tf.GradientTape() as tape:
            tape.watch([rois, features[-1]])
            pooled = layer(features, rois)
        assert tape.gradient(pooled, [rois, features[-1]]) == [None, None]


@pytest.mark.parametrize("strides", [(8,), (4, 8), (16, 32), (2, 4, 8)])
def test_other_numbers_of_levels(strides):
    features, rois = maps(strides), tf.constant(regions(12))
    layer = PyramidRoIAlign(3, strides)
    levels = layer.levels(rois).numpy()
    np.testing.assert_array_equal(levels, np.clip(2 + _unclipped(rois) - np.log2(strides[0]), 0, len(strides) - 1))
    expected = np.stack([RoIAlign(3, stride)(part, rois) for stride, part in zip(strides, features)], axis=2)
    expected = expected[np.arange(2)[:, None], np.arange(rois.shape[1]), levels]
    for for_xla in (False, True):
        with xla_scope(for_xla):
            np.testing.assert_allclose(layer(features, rois), expected, rtol=0, atol=1e-4)


def _unclipped(rois):
    """Returns the levels, of index 0 for stride 4, where there are as many as needed on both sides."""
    sides = np.sqrt(np.prod(np.maximum(rois[..., 2:] - rois[..., :2], 0), axis=-1))
    return np.floor(2 + np.log2(np.maximum(sides, 1e-6) / 224) + 1e-6)


@pytest.mark.parametrize("side, level", [(1, 0), (111.9, 0), (112, 1), (223.9, 1), (224, 2), (447.9, 2), (448, 3)])
def test_a_square_of_exactly_the_canonical_size_is_on_its_level(side, level):
    for x in (0, 3, 1001.5):
        roi = np.float32([[[x, x, x + side, x + side]]])
        assert PyramidRoIAlign(2).levels(tf.constant(roi)).numpy() == level
    assert PyramidRoIAlign(2, canonical_size=2 * 224).levels(tf.constant(roi)).numpy() == max(level - 1, 0)


def test_levels_are_torchvisions():
    random = np.random.default_rng(0)
    corners = random.uniform(0, 500, (1, 2000, 2))
    rois = np.concatenate([corners, corners + random.uniform(1, 800, (1, 2000, 2))], axis=-1).astype("float32")
    np.testing.assert_array_equal(PyramidRoIAlign(2).levels(tf.constant(rois)), torchvisions_levels(rois))


def test_regions_that_are_no_numbers_do_not_harm_others():
    features, rois = maps(), regions(6)
    expected = PyramidRoIAlign(2)(features, rois).numpy()
    rois[:, 3] = np.nan
    for scope in (contextlib.nullcontext(), xla_scope()):
        with scope:
            found = PyramidRoIAlign(2)(features, rois).numpy()
        np.testing.assert_allclose(np.delete(found, 3, axis=1), np.delete(expected, 3, axis=1), rtol=0, atol=1e-4)


def test_regions_keep_their_precision_inside_of_mixed_precision():
    features = [tf.constant(np.random.default_rng(0).normal(size=(1, 272, 272, 1)), "float32")]
    rois = np.float32([[[1003, 517, 1079, 609]]])  # bfloat16 would make 1003 a thousand
    exact = PyramidRoIAlign(3, (4,))(features, rois)
    half = PyramidRoIAlign(3, (4,), dtype="mixed_bfloat16")([tf.cast(features[0], "bfloat16")], rois)
    np.testing.assert_allclose(tf.cast(half, "float32"), exact, rtol=0, atol=0.02)


@pytest.mark.parametrize(
    "layer",
    [PyramidRoIAlign(5, (8, 16), sampling_ratio=3, aligned=False, canonical_size=100), PyramidRoIPooling(5, (8, 16))],
)
def test_shapes_and_configuration(layer):
    features, rois = [keras.Input((18, 14, 6)), keras.Input((9, 7, 6))], keras.Input((11, 4))
    pooled = layer(features, rois)
    assert pooled.shape == (None, 11, 5, 5, 6)
    model = keras.Model([*features, rois], pooled)
    assert model([np.ones((2, *part.shape[1:]), "float32") for part in [*features, rois]]).shape == (2, 11, 5, 5, 6)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(copy) is type(layer) and copy.get_config() == layer.get_config()
    for some in ([features[0], keras.Input((None, 7, 6))], [keras.Input((18, None, 6)), features[1]]):
        with pytest.raises(ArgumentError, match="its height and width must be known"):
            type(layer)(5, (8, 16))(some, rois)
    with pytest.raises(ArgumentError, match="features has 1 maps: pass 2, one for each stride"):
        type(layer)(5, (8, 16))(features[:1], rois)


@pytest.mark.parametrize("kind", [PyramidRoIAlign, PyramidRoIPooling])
@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"pool_size": 0}, "pool_size=0 must be a positive integer"),
        ({"canonical_size": 0}, "canonical_size=0 must be a positive number"),
        ({"strides": ()}, r"strides=\(\) must be powers of two, each twice the one before it"),
        ({"strides": (4, 16)}, r"strides=\(4, 16\) must be powers of two"),
        ({"strides": (8, 4)}, r"strides=\(8, 4\) must be powers of two"),
        ({"strides": (3, 6)}, r"strides=\(3, 6\) must be powers of two"),
        ({"strides": (0, 0)}, r"strides=\(0, 0\) must be powers of two"),
        ({"strides": (-4, -8)}, r"strides=\(-4, -8\) must be powers of two"),
    ],
)
def test_arguments_that_cannot_work(kind, arguments, message):
    with pytest.raises(ArgumentError, match=message):
        kind(**{"pool_size": 7, **arguments})
    with pytest.raises(ArgumentError, match="sampling_ratio=0 must be a positive integer"):
        PyramidRoIAlign(7, sampling_ratio=0)
