"""Multiply-adds of models that are not nets of this package: `test_published_figures.py` has those."""

import keras
import pytest

import keras_resnets
from keras_resnets import ArgumentError, multiply_adds

IMAGE = (16, 16, 3)


def of(function):
    """Returns the multiply-adds of a model from an image to what a function makes of it."""
    image = keras.Input(IMAGE)
    return multiply_adds(keras.Model(image, function(image)))


def test_nested_models_count():
    net = keras_resnets.CifarResNet(8, input_shape=IMAGE)
    backbone = keras_resnets.CifarResNet(8, include_top=False, pooling="avg")  # of any height and width
    of_backbone = multiply_adds(net) - 64 * 10
    assert of(net) == multiply_adds(net)
    assert of(lambda image: keras.layers.Dense(5)(backbone(image))) == of_backbone + 64 * 5
    assert of(keras.Sequential([keras.Input(IMAGE), net, keras.layers.Dense(5)])) == multiply_adds(net) + 10 * 5


def test_every_call_counts_at_its_size():
    convolution = keras.layers.Conv2D(3, 3, padding="same")
    assert of(lambda image: convolution(convolution(image)[:, ::2])) == 9 * 3 * 3 * (16 * 16 + 8 * 16)
    backbone = keras_resnets.CifarResNet(8, include_top=False, pooling="avg")
    assert of(lambda image: backbone(image) + backbone(image[:, ::2])) == 1.5 * of(backbone)


def test_depthwise_and_grouped_convolutions_and_dense_layers_of_maps():
    assert of(keras.layers.DepthwiseConv2D(3, padding="same")) == 9 * 3 * 16 * 16
    assert of(keras.layers.Conv2D(6, 3, groups=3, padding="same")) == 9 * 1 * 6 * 16 * 16
    assert of(keras.layers.Dense(4)) == 3 * 4 * 16 * 16


def test_layers_that_cannot_be_counted():
    with pytest.raises(ArgumentError, match="layer up is a Conv2DTranspose, whose multiply-adds are unknown"):
        of(keras.layers.Conv2DTranspose(2, 3, name="up"))
    assert of(keras.layers.LayerNormalization()) == of(keras.layers.BatchNormalization()) == 0


def test_the_image_needs_a_size():
    with pytest.raises(ArgumentError, match="model resnet18 has the input .*: build it with an input_shape"):
        multiply_adds(keras_resnets.ResNet18(include_top=False))
