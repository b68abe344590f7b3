"""Optimizers of recipes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainers.engine.optimizers import learning_rate_schedule, make_optimizer
from trainers.recipes.classification import RECIPES
from trainers.recipes.recipe import Recipe


def test_momentum_has_the_learning_rate_inside_the_velocity():
    recipe = Recipe(1, None, 2, 0.1, "steps", drops=(0.5,), momentum=0.9)
    weight = keras.Variable(0.0)
    optimizer = make_optimizer(recipe, 2)
    optimizer.apply([np.float32(1)], [weight])
    optimizer.apply([np.float32(1)], [weight])
    # v1 = 0.1; v2 = 0.9 * v1 + 0.01: Caffe's form. With the rate outside, v2 would be 0.01 * 1.9.
    np.testing.assert_allclose(weight.numpy(), -(0.1 + 0.9 * 0.1 + 0.01), rtol=1e-6)


def test_rmsprop_is_that_of_tensorflow_1():
    optimizer, weight = make_optimizer(RECIPES["inception"], 1_000), keras.Variable(0.0)
    expected, mean_square, velocity = 0.0, 1.0, 0.0  # The mean square starts at 1.
    for gradient in (2.0, -0.5):
        optimizer.apply([np.float32(gradient)], [weight])
        mean_square = 0.9 * mean_square + 0.1 * gradient**2
        velocity = 0.9 * velocity + 0.045 * gradient / np.sqrt(mean_square + 1.0)  # Epsilon is inside the root.
        expected -= velocity
        np.testing.assert_allclose(weight.numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop"])
def test_learning_rates_by_stage_hold_for_every_optimizer(optimizer):
    recipe = Recipe(1, None, 5, 0.1, "steps", drops=(1.0,), optimizer=optimizer)
    variables = [keras.Variable([1.0, 2.0]) for _ in range(2)]
    scaled = make_optimizer(recipe, 5, [1.0, 0.25])
    for _ in range(3):
        scaled.apply([tf.constant([0.3, -0.2])] * 2, variables)
    np.testing.assert_allclose((variables[1] - [1.0, 2.0]) / (variables[0] - [1.0, 2.0]), 0.25, rtol=1e-4)


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_of_one_operation_is_that_of_keras(nesterov):
    recipe = Recipe(1, None, 3, 0.1, "steps", drops=(0.5,), optimizer="nesterov" if nesterov else "sgd", momentum=0.9)
    ours = make_optimizer(recipe, 3)
    keras_own = keras.optimizers.SGD(learning_rate_schedule(recipe, 3), momentum=0.9, nesterov=nesterov)
    weights, gradients = [keras.Variable([1.0, -2.0]) for _ in range(2)], [[0.5, 3.0], [-1.0, 0.1], [2.0, 2.0]]
    for gradient in gradients:
        for optimizer, weight in zip((ours, keras_own), weights):
            optimizer.apply([tf.constant(gradient)], [weight])
        np.testing.assert_allclose(weights[0], weights[1], rtol=1e-6)
        np.testing.assert_allclose(ours.momentums[0], keras_own.momentums[0], rtol=1e-6)
