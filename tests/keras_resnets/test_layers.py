"""Layers of the package's own."""

import keras
import numpy as np
import pytest

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.layers import ZeroPaddedShortcut


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
