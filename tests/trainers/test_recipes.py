"""Schedules."""

import dataclasses

import keras
import numpy as np
import pytest

from keras_resnets import ArgumentError
from trainers.recipes import RECIPES, Recipe, default_recipe, get_recipe


def learning_rates(recipe, total, steps):
    schedule = recipe.optimizer(total)._learning_rate
    return [float(schedule(step)) for step in steps]


def test_the_papers_cifar_schedule():
    recipe = RECIPES["cifar"]
    assert (recipe.total_steps(50_000), recipe.batch_size, recipe.weight_decay) == (64_000, 128, 1e-4)
    rates = learning_rates(recipe, 64_000, [0, 31_999, 32_000, 47_999, 48_000, 63_999])
    np.testing.assert_allclose(rates, [0.1, 0.1, 0.01, 0.01, 0.001, 0.001], rtol=1e-5)


def test_the_papers_warm_up_for_deep_nets():
    rates = learning_rates(RECIPES["cifar_warmup"], 64_000, [0, 399, 400, 31_999, 32_000])
    np.testing.assert_allclose(rates, [0.01, 0.01, 0.1, 0.1, 0.01], rtol=1e-5)


def test_cosine_with_a_linear_warm_up():
    recipe = Recipe(8, None, 100, 0.4, "cosine", warmup_steps=20)
    rates = learning_rates(recipe, 100, [0, 10, 20, 60, 100])
    np.testing.assert_allclose(rates, [0, 0.2, 0.4, 0.2, 0], atol=1e-6)
    rates = learning_rates(dataclasses.replace(recipe, warmup_steps=0), 100, [0, 50, 100])
    np.testing.assert_allclose(rates, [0.4, 0.2, 0], atol=1e-6)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("steps", [1, 2, 3, 10])
def test_a_training_of_any_length_has_a_schedule(name, steps):
    rates = learning_rates(RECIPES[name], steps, range(steps))
    assert all(0 <= rate <= RECIPES[name].learning_rate + 1e-7 for rate in rates)


def test_epochs_become_steps_that_cover_them():
    recipe = dataclasses.replace(RECIPES["digits"], epochs=2, batch_size=100)
    assert recipe.total_steps(1437) == 29
    assert dataclasses.replace(recipe, epochs=0.001).total_steps(1437) == 1


def test_momentum_has_the_learning_rate_inside_the_velocity():
    recipe = Recipe(1, None, 2, 0.1, "steps", drops=(0.5,), momentum=0.9)
    weight = keras.Variable(0.0)
    optimizer = recipe.optimizer(2)
    optimizer.apply([np.float32(1)], [weight])
    optimizer.apply([np.float32(1)], [weight])
    # v1 = 0.1; v2 = 0.9 * v1 + 0.01: Caffe's form. With the rate outside, v2 would be 0.01 * 1.9.
    np.testing.assert_allclose(weight.numpy(), -(0.1 + 0.9 * 0.1 + 0.01), rtol=1e-6)


def test_digits_are_not_mirrored():
    augmentations = {name: recipe.augmentation for name, recipe in RECIPES.items()}
    mirrored = "pad_crop_and_flip"
    assert augmentations == {"cifar": mirrored, "cifar_warmup": mirrored, "digits": "pad_and_crop"}


def test_defaults_and_unknown_names():
    assert default_recipe("digits") == default_recipe("idx:/data") == "digits"
    assert default_recipe("tfds:cifar10") == default_recipe("folder:/digits") == "cifar"
    with pytest.raises(ArgumentError, match="--recipe=fast is unknown: use cifar, cifar_warmup, digits"):
        get_recipe("fast")
