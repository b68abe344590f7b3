"""Initial weights from a seed."""

import random

import keras
import numpy as np
import tensorflow as tf

import keras_resnets
from trainers.engine.seeding import seeded


def build():
    """Returns the weights of a net with the initializers of both packages, and with dropout's seed."""
    net = keras_resnets.CifarResNet(8)
    model = keras.Sequential([net, keras.layers.Dropout(0.5), keras.layers.Dense(3, "relu"), keras.layers.Dense(2)])
    model.build((None, 32, 32, 3))
    return [variable.numpy() for variable in model.variables]


def test_the_weights_are_those_of_keras_seed():
    keras.utils.set_random_seed(7)
    expected = build()
    with seeded(7):
        weights = build()
    for one, other in zip(expected, weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_net_that_is_built_changes_no_random_number_of_others():
    def draw():
        keras.utils.set_random_seed(3)
        yield
        yield random.random(), np.random.rand(), float(tf.random.uniform([])), float(keras.random.uniform([]))

    undisturbed, disturbed = draw(), draw()
    next(undisturbed)
    expected = next(undisturbed)
    next(disturbed)
    with seeded(7):
        build()
    assert next(disturbed) == expected
