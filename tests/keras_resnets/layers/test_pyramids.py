"""Classifiers with a spatial pyramid in place of the last pooling (SPPnet, arXiv 1406.4729, section 2)."""

import keras
import numpy as np
import pytest

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.layers import SpatialPyramidPooling

LEVELS = (1, 2, 3, 6)


def images(side, count=1):
    return np.random.default_rng(side).normal(size=(count, side, side, 3)).astype("float32")


def narrow(**arguments):
    return keras_resnets.VGG((1, 1, 1, 1, 1), pyramid=(1, 2), classes=3, **arguments)


def test_the_papers_zf5_takes_images_of_any_size(randomize):
    net = randomize(keras_resnets.create_model("zfnet_spp", input_shape=(None, None, 3)))
    assert net.get_layer("fc6").count_params() == 12_800 * 4_096 + 4_096
    trunk = keras.Model(net.input, net.get_layer("conv5_out").output)
    head = keras.Sequential([net.get_layer(name) for name in ("fc6", "fc7", "predictions")])
    for side, cells in ((224, 13), (180, 10)):
        maps = trunk(images(side))
        assert maps.shape == (1, cells, cells, 256)
        expected = head(SpatialPyramidPooling(LEVELS)(maps))
        np.testing.assert_allclose(net(images(side)), expected, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_vgg_takes_a_pyramid_too(tmp_path, randomize):
    net = randomize(narrow(input_shape=(None, None, 3)))
    assert net.get_layer("fc6").count_params() == 5 * 512 * 4_096 + 4_096
    assert "pool5" not in [layer.name for layer in net.layers]
    outputs = [net(images(side)) for side in (64, 48)]
    assert np.max(np.abs(outputs[0] - outputs[1])) > 1e-3
    net.save(tmp_path / "net.keras")
    loaded = keras.models.load_model(tmp_path / "net.keras")
    np.testing.assert_array_equal(loaded(images(48)), outputs[1])
    # With images of one size the net is the same.
    net.save_weights(tmp_path / "net.weights.h5")
    fixed = narrow(input_shape=(48, 48, 3), weights=tmp_path / "net.weights.h5")
    np.testing.assert_allclose(fixed(images(48)), outputs[1], rtol=0, atol=1e-6)
    with pytest.raises(ArgumentError, match="fc6"):
        keras_resnets.VGG((1, 1, 1, 1, 1), classes=3, weights=tmp_path / "net.weights.h5", input_shape=(64, 64, 3))


@pytest.mark.usefixtures("without_weights")
def test_without_the_classifier_the_vector_is_the_output():
    net = keras_resnets.ZFNet(include_top=False, pyramid=LEVELS)
    assert net.output.shape == (None, 12_800)
    assert net.input.shape == (None, None, None, 3)


@pytest.mark.parametrize("build", [keras_resnets.ZFNet, keras_resnets.VGG16])
def test_arguments_that_cannot_work(build):
    with pytest.raises(ArgumentError, match=r"levels=\(0,\) must be a list of positive integers"):
        build(include_top=False, pyramid=(0,))
    with pytest.raises(ArgumentError, match="pooling='avg' is for a map, and a pyramid makes a vector of it"):
        build(include_top=False, pyramid=LEVELS, pooling="avg")
