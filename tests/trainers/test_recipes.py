"""Schedules."""

import dataclasses

import keras
import numpy as np
import pytest

from keras_resnets import ArgumentError
from trainers.data.augmentation import AUGMENTATIONS
from trainers.recipes import RECIPES, Recipe, default_detection_recipe, default_recipe, get_recipe


def learning_rates(recipe, total, steps):
    schedule = recipe.make_optimizer(total)._learning_rate
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
    optimizer = recipe.make_optimizer(2)
    optimizer.apply([np.float32(1)], [weight])
    optimizer.apply([np.float32(1)], [weight])
    # v1 = 0.1; v2 = 0.9 * v1 + 0.01: Caffe's form. With the rate outside, v2 would be 0.01 * 1.9.
    np.testing.assert_allclose(weight.numpy(), -(0.1 + 0.9 * 0.1 + 0.01), rtol=1e-6)


def test_the_papers_imagenet_schedule():
    recipe = RECIPES["imagenet"]
    total = recipe.total_steps(1_281_167)
    assert (recipe.batch_size, total) == (256, 600_548)
    epoch = total / 120
    rates = learning_rates(recipe, total, [0, 29 * epoch, 31 * epoch, 59 * epoch, 61 * epoch, 91 * epoch])
    np.testing.assert_allclose(rates, [0.1, 0.1, 0.01, 0.01, 0.001, 0.0001], rtol=1e-5)


def test_inceptions_schedule_and_optimizer():
    recipe = RECIPES["inception"]
    total = recipe.total_steps(1_281_167)
    rates = learning_rates(recipe, total, [0, total / 50 - 1, total / 50 + 1, total - 1])
    np.testing.assert_allclose(rates, [0.045, 0.045, 0.045 * 0.94, 0.045 * 0.94**49], rtol=1e-5)
    optimizer = recipe.make_optimizer(total)
    assert (optimizer.rho, optimizer.epsilon, recipe.clip_norm, recipe.label_smoothing) == (0.9, 1.0, 2.0, 0.1)
    weight = keras.Variable(0.0)
    optimizer.apply([np.float32(2)], [weight])
    # 0.045 * g / sqrt(0.1 * g ** 2 + epsilon): epsilon inside the root.
    np.testing.assert_allclose(weight.numpy(), -0.045 * 2 / np.sqrt(0.1 * 4 + 1), rtol=1e-5)


def test_digits_are_not_mirrored():
    assert RECIPES["digits"].augmentation == "pad_and_crop"
    assert all(recipe.augmentation in AUGMENTATIONS for recipe in RECIPES.values())
    assert all((recipe.mixup_alpha is None) == (recipe.cutmix_alpha is None) for recipe in RECIPES.values())


def test_defaults_and_unknown_names():
    assert default_recipe("digits") == default_recipe("idx:/data") == default_recipe("one_digit_scenes") == "digits"
    assert default_detection_recipe("digit_scenes") == default_detection_recipe("one_digit_scenes") == "digit_scenes"
    assert default_recipe("tfds:cifar10") == default_recipe("tfds:cifar100") == "cifar"
    assert default_recipe("folder:/pets") == default_recipe("tfds:imagenet2012") == "imagenet"
    with pytest.raises(ArgumentError, match="--recipe=fast is unknown: use cifar, cifar_warmup, imagenet, imagenet_mo"):
        get_recipe("fast")
