"""The nets inside Keras code: compile, fit, freezing."""

import keras
import numpy as np
import pytest

import keras_resnets


@pytest.mark.parametrize(
    "build, size",
    [
        pytest.param(lambda: keras_resnets.CifarResNet(8), 32, id="CifarResNet"),
        pytest.param(lambda: keras_resnets.ResNet18(input_shape=(64, 64, 3), classes=10), 64, id="ResNet18"),
        pytest.param(
            lambda: keras_resnets.ResNet50(input_shape=(None, None, 3), classes=10),
            32,
            id="ResNet50",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_fit_learns(build, size):
    model = build()
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "sparse_categorical_crossentropy")
    labels = np.arange(16) % 4
    images = np.random.normal(size=(16, size, size, 3)) + labels.reshape(-1, 1, 1, 1)
    losses = model.fit(images, labels, batch_size=8, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < 0.7 * losses[0]


def test_a_frozen_backbone_keeps_its_statistics():
    backbone = keras_resnets.CifarResNet(8, include_top=False, pooling="avg", input_shape=(32, 32, 3))
    backbone.trainable = False
    before = backbone.get_weights()
    model = keras.Sequential([backbone, keras.layers.Dense(2, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    head = model.layers[-1].get_weights()
    model.fit(np.random.normal(3.0, 2.0, size=(16, 32, 32, 3)), np.arange(16) % 2, epochs=2, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, backbone.get_weights(), strict=True))
    assert not np.array_equal(head[0], model.layers[-1].get_weights()[0])
