"""Nets on images of any size: what is refused. `test_protocols.py` has what they compute."""

import keras
import numpy as np
import pytest

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.surgery import any_size, fully_convolutional

IMAGE = (16, 16, 3)


def logits(**arguments):
    return keras_resnets.CifarResNet(8, input_shape=IMAGE, classifier_activation=None, **arguments)


def test_an_image_of_another_size(randomize):
    net = randomize(logits())
    images = np.random.default_rng(0).normal(size=(2, 20, 28, 3)).astype("float32")
    pooled = any_size(net)(images)
    np.testing.assert_allclose(np.mean(fully_convolutional(net)(images), (1, 2)), pooled, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("change", [any_size, fully_convolutional])
def test_models_that_are_not_flat(change):
    image, other = keras.Input(IMAGE), keras.Input(IMAGE)
    with pytest.raises(ArgumentError, match="model=outer has a nested model, cifar_resnet8"):
        change(keras.Model(image, logits()(image), name="outer"))
    with pytest.raises(ArgumentError, match="model=both has 2 inputs"):
        change(keras.Model([image, other], keras.layers.Dense(2)((image + other)[:, 0, 0]), name="both"))


def test_only_logits_become_a_map():
    with pytest.raises(ArgumentError, match="cifar_resnet8 does not end in logits: build it with classifier_activ"):
        fully_convolutional(keras_resnets.CifarResNet(8, input_shape=IMAGE))
    net = logits()
    two = keras.Model(net.input, [net.get_layer("conv3_out").output, net.output], name="two")
    with pytest.raises(ArgumentError, match="two has 2 outputs"):
        fully_convolutional(two)
    with pytest.raises(ArgumentError, match="cifar_resnet8 has no classifier: build it with include_top=True"):
        fully_convolutional(keras_resnets.CifarResNet(8, input_shape=IMAGE, include_top=False))
