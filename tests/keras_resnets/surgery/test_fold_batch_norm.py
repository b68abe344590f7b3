"""Batch normalization that becomes part of the layer before it."""

import keras
import numpy as np
import pytest

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.surgery import fold_batch_norm
from keras_resnets.surgery.graph import batch_normalizations


@pytest.mark.parametrize(
    "build, left",
    [
        (lambda: keras_resnets.CifarResNet(8, input_shape=(16, 16, 3)), 0),
        (lambda: keras_resnets.CifarResNetV2(8, input_shape=(16, 16, 3)), 4),  # after sums: 3 units and the end
        (lambda: keras_resnets.InceptionV3(input_shape=(139, 139, 3), width=1 / 32, auxiliary_head=True), 0),
    ],
    ids=["original", "pre-activation", "two outputs"],
)
def test_a_folded_net_gives_the_same_outputs(build, left, randomize):
    net = randomize(build())
    folded = fold_batch_norm(net)
    assert len(batch_normalizations(folded)) == left
    assert folded.name == net.name and {layer.name for layer in folded.layers} < {layer.name for layer in net.layers}
    images = np.random.default_rng(0).normal(size=(2, *net.input_shape[1:])).astype("float32")
    for output, expected in zip(keras.tree.flatten(folded(images)), keras.tree.flatten(net(images))):
        np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-5)


def test_what_cannot_be_folded_stays(randomize):
    image = keras.Input((4, 4, 3), name="image")
    shared = keras.layers.Conv2D(3, 3, padding="same", name="shared")
    x = keras.layers.BatchNormalization(name="first_bn")(shared(image))
    x = keras.layers.BatchNormalization(name="second_bn")(shared(x))
    seen = keras.layers.Conv2D(2, 1, name="seen")(x)
    y = keras.layers.BatchNormalization(name="seen_bn")(seen)
    y = keras.layers.Conv2D(2, 1, activation="relu", name="activated")(y)
    y = keras.layers.BatchNormalization(name="activated_bn")(y)
    net = randomize(keras.Model(image, [keras.ops.relu(y[:, 1:]), seen]))
    folded = fold_batch_norm(net)
    assert [layer.name for layer in folded.layers] == [layer.name for layer in net.layers]
    images = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype("float32")
    for output, expected in zip(folded(images), net(images)):
        np.testing.assert_array_equal(output, expected)


@pytest.mark.parametrize("axis, arguments", [(1, {}), (2, {}), (-1, {"training": True})])
def test_batch_normalization_that_does_something_else_stays(axis, arguments, randomize):
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(8, 3, padding="same")(image)
    net = randomize(keras.Model(image, keras.layers.BatchNormalization(axis)(x, **arguments)))
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    folded = fold_batch_norm(net)
    assert len(batch_normalizations(folded)) == 1
    np.testing.assert_allclose(folded(images), net(images), rtol=1e-5, atol=1e-5)


def test_the_last_axis_may_be_given_as_its_number(randomize):
    image = keras.Input((8, 8, 3))
    net = randomize(keras.Model(image, keras.layers.BatchNormalization(3)(keras.layers.Conv2D(8, 3)(image))))
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    folded = fold_batch_norm(net)
    assert not batch_normalizations(folded)
    np.testing.assert_allclose(folded(images), net(images), rtol=1e-5, atol=1e-5)


def test_nested_models_are_folded_unless_they_are_in_training(randomize):
    image = keras.Input((16, 16, 3))
    trained, frozen = (
        randomize(keras_resnets.CifarResNet(8, include_top=False, pooling="avg", name=name, filters=(2, 3, 4)))
        for name in ("trained", "frozen")
    )
    net = keras.Model(image, [trained(image, training=True), frozen(image), frozen(image[:, ::2])])
    folded = fold_batch_norm(net)
    assert not batch_normalizations(folded.get_layer("frozen"))
    assert len(batch_normalizations(folded.get_layer("trained"))) == len(batch_normalizations(trained)) == 7
    images = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype("float32")
    for output, expected in zip(folded(images), net(images)):
        np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-5)


def test_a_compiled_net_is_folded_whatever_its_loss(randomize):
    net = randomize(keras_resnets.CifarResNet(8, input_shape=(16, 16, 3)))
    net.compile("sgd", loss=lambda labels, predictions: keras.ops.mean(predictions))
    assert not fold_batch_norm(net).compiled


def test_weights_have_no_more_bits_than_the_computation():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        net = keras_resnets.CifarResNet(8, input_shape=(16, 16, 3))
    finally:
        keras.config.set_dtype_policy("float32")
    assert {str(weight.dtype) for weight in fold_batch_norm(net).get_layer("conv1_conv").weights} == {"bfloat16"}


def test_a_model_that_is_not_functional():
    with pytest.raises(ArgumentError, match="model=line is not functional"):
        fold_batch_norm(keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)], name="line"))
