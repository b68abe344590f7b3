"""Nets with fewer filters than the papers'."""

import numpy as np
import pytest
from strides import skipping_convolutions

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.models.blocks import scaled_filters

# Channels of the last map, and units of fc6, at width 1.
CHANNELS = {
    "googlenet": (1024, None),
    "bn_inception": (1024, None),
    "inception_v3": (2048, None),
    "inception_v4": (1536, None),
    "inception_resnet_v1": (1792, None),
    "inception_resnet_v2": (2144, None),
    "inception_resnet_v2_slim": (1536, None),
    "vgg16": (512, 4096),
    "zfnet": (256, 4096),
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name == "inception_resnet_v2_slim" else ()) for name in CHANNELS],
)
def test_every_net_at_an_eighth_of_its_width(name):
    model = keras_resnets.create_model(name, width=1 / 8, classes=10, input_shape=(75, 75, 3))
    channels, units = CHANNELS[name]
    assert model.get_layer("conv5_out").output.shape[-1] == channels // 8
    assert units is None or [model.get_layer(layer).units for layer in ("fc6", "fc7")] == [units // 8] * 2
    assert skipping_convolutions(model) == []
    np.testing.assert_allclose(np.sum(model(np.ones((1, 75, 75, 3)))), 1, rtol=1e-5)


def test_an_auxiliary_head_is_as_narrow_as_its_net():
    model = keras_resnets.InceptionResNetV2(width=1 / 16, input_shape=(139, 139, 3), auxiliary_head=True)
    filters = [model.get_layer(f"auxiliary_{i}_conv").filters for i in (1, 2)]
    assert filters == [128 // 16, 768 // 16] and model.get_layer("conv4_out").output.shape[-1] == 1152 // 16


def test_filters_are_the_nearest_number_and_one_at_least():
    pairs = [(64, 1), (10, 0.26), (10, 0.34), (3, 0.5), (5, 0.5), (16, 0.01), (16, 2)]
    assert [scaled_filters(*pair) for pair in pairs] == [64, 3, 3, 2, 2, 1, 32]
    for width in (0, -1, float("nan"), float("inf"), "half", None):
        with pytest.raises(ArgumentError, match="width=.* must be a positive number"):
            keras_resnets.VGG16(width=width)


@pytest.mark.parametrize(
    "build",
    [
        keras_resnets.VGG16,
        keras_resnets.GoogLeNet,
        keras_resnets.InceptionV3,
        keras_resnets.InceptionV4,
        lambda **arguments: keras_resnets.create_model("inception_resnet_v2_slim", **arguments),
    ],
    ids=["VGG16", "GoogLeNet", "InceptionV3", "InceptionV4", "InceptionResNetV2"],
)
def test_published_weights_are_for_width_1(build):
    with pytest.raises(ArgumentError, match='weights="imagenet" is for width=1, not 0.5: leave one of them out'):
        build(weights="imagenet", width=0.5)


def test_published_weights_are_for_timms_stem():
    with pytest.raises(ArgumentError, match="weights=\"imagenet\" is for stem='timm', not 'paper': leave one of them"):
        keras_resnets.ResNet50V2(weights="imagenet", stem="paper")


@pytest.mark.parametrize(
    "name, channels",
    [
        ("cifar_resnet8", [4, 4, 8, 24]),
        ("cifar_plainnet8", [4, 4, 8, 24]),
        ("cifar_resnet_v2_8", [4, 4, 8, 24]),
        ("cifar_resnet_v2_11", [4, 16, 32, 96]),
    ],
)
def test_cifar_nets_with_other_filters(name, channels):
    model = keras_resnets.create_model(name, filters=[4, 8, 24])
    assert [model.get_layer(f"conv{i}_out").output.shape[-1] for i in range(1, 5)] == channels
    assert model.output_shape == (None, 10) and skipping_convolutions(model) == []


@pytest.mark.parametrize("filters", [(16, 32), (16, 32, 0), (16, 32, 6.4), 16, None])
def test_filters_of_cifar_nets_that_cannot_be(filters):
    with pytest.raises(ArgumentError, match="filters=.* must be 3 positive integers, one per stage"):
        keras_resnets.CifarResNet(8, filters=filters)
