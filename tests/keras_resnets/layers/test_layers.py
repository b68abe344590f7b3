"""Layers of the package's own."""

import keras
import numpy as np
import pytest

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.layers import PaddedMaxPooling2D, WithinChannelNormalization, ZeroPaddedShortcut


def test_option_a_keeps_every_second_pixel_and_adds_zero_channels_at_the_end():
    x = np.arange(2 * 3 * 4 * 2, dtype="float32").reshape(2, 3, 4, 2)
    y = ZeroPaddedShortcut(filters=5, strides=2)(x).numpy()
    np.testing.assert_array_equal(y[..., :2], x[:, ::2, ::2])
    assert y.shape == (2, 2, 2, 5) and not y[..., 2:].any()


def test_option_a_equals_average_pooling_of_one_pixel():
    x = np.random.normal(size=(1, 7, 8, 3)).astype("float32")
    y = ZeroPaddedShortcut(filters=3, strides=2)(x)
    np.testing.assert_array_equal(y, keras.layers.AveragePooling2D(1, strides=2)(x))


def test_channels_cannot_be_dropped():
    with pytest.raises(ArgumentError, match='filters=32 is less than the input\'s 64 channels.*use shortcut="B"'):
        keras_resnets.ResNet((1, 1), (64, 32), shortcut="A")


def test_shapes_known_before_the_call_and_configuration():
    layer = ZeroPaddedShortcut(filters=8, strides=2, name="pad")
    assert layer(keras.Input((5, None, 3))).shape == (None, 3, None, 8)
    assert ZeroPaddedShortcut.from_config(layer.get_config()).get_config() == layer.get_config()


def test_padded_max_pooling_takes_nothing_from_outside():
    x = np.random.normal(size=(2, 5, 8, 3)).astype("float32") - 5
    y = PaddedMaxPooling2D(3, strides=2, padding=1)(x)
    assert y.shape == (2, 3, 4, 3)
    for i, j in np.ndindex(3, 4):
        window = x[:, max(2 * i - 1, 0) : 2 * i + 2, max(2 * j - 1, 0) : 2 * j + 2]
        np.testing.assert_array_equal(y[:, i, j], window.max((1, 2)))


def test_normalization_within_a_channel_counts_zeros_outside_of_the_map():
    x = np.random.normal(size=(2, 4, 5, 3)).astype("float32")
    y = WithinChannelNormalization(window=3, alpha=2.0, beta=0.75)(x)
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    for i, j in np.ndindex(4, 5):
        mean_square = (padded[:, i : i + 3, j : j + 3] ** 2).sum((1, 2)) / 9
        np.testing.assert_allclose(y[:, i, j], x[:, i, j] / (1 + 2 * mean_square) ** 0.75, rtol=1e-5)


def test_normalization_within_a_channel_of_large_activations_in_half_precision():
    x = np.full((1, 5, 5, 1), 300.0)
    half = WithinChannelNormalization(dtype="float16")(x)
    np.testing.assert_allclose(half, WithinChannelNormalization()(x), rtol=1e-2)
    assert half.dtype == "float16"


@pytest.mark.parametrize("layer", [PaddedMaxPooling2D(3, 2, 1), WithinChannelNormalization(5, 0.1, 0.5)])
def test_layers_of_the_other_families_know_their_shapes_and_configuration(layer):
    x = np.ones((1, 7, 8, 2), "float32")
    assert layer(keras.Input((7, 8, 2))).shape[1:] == layer(x).shape[1:]
    assert layer(keras.Input((None, 8, 2))).shape[1] is None
    copy = type(layer).from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
