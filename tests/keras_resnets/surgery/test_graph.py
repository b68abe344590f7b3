"""The graph of a net: its stages, and the old places of functions that change it."""

import keras
import numpy as np
import pytest

import keras_resnets
from keras_resnets.surgery.truncated_svd import truncated_svd
from keras_resnets.surgery.without_batch_norm import without_batch_normalization


def test_the_outputs_of_the_stages_make_a_feature_extractor():
    net = keras_resnets.ResNet((2, 1), (4, 8), include_top=False, input_shape=(32, 48, 3))
    outputs = keras_resnets.stage_outputs(net)
    assert {name: output.shape[1:] for name, output in outputs.items()} == {
        "conv1_out": (16, 24, 4),
        "conv2_out": (8, 12, 4),
        "conv3_out": (4, 6, 8),
    }
    images = np.ones((1, 32, 48, 3), "float32")
    maps = keras.Model(net.input, outputs)(images)
    assert list(maps) == list(outputs)
    np.testing.assert_array_equal(maps["conv3_out"], net(images))


def test_a_model_without_stages_has_no_outputs_of_stages():
    image = keras.Input((8, 8, 3))
    assert keras_resnets.stage_outputs(keras.Model(image, keras.layers.Conv2D(2, 3)(image))) == {}


def test_old_places_of_functions_warn():
    with pytest.warns(FutureWarning, match="is now called keras_resnets.surgery.truncated_svd"):
        assert keras_resnets.detection.truncated_svd.truncated_svd is truncated_svd
    with pytest.warns(FutureWarning, match="is now called keras_resnets.surgery.without_batch_norm"):
        assert keras_resnets.analysis.without_batch_normalization is without_batch_normalization
