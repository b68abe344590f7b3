"""Schedules."""

import dataclasses

import numpy as np
import pytest

from keras_resnets import ArgumentError
from trainers.data.augmentation.classification import AUGMENTATIONS
from trainers.engine.optimizers import learning_rate_schedule
from trainers.recipes import detection
from trainers.recipes.classification import RECIPES, default_recipe
from trainers.recipes.recipe import Recipe, get_recipe


def learning_rates(recipe, total, steps):
    schedule = learning_rate_schedule(recipe, total)
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
    with pytest.raises(ArgumentError, match=r"--epochs=1e\+38 makes .* steps: pass at most"):
        dataclasses.replace(recipe, epochs=1e38).total_steps(1437)
    with pytest.raises(ArgumentError, match="--steps=1000000000000000000000000 makes 1.0e.24 steps: pass at most"):
        dataclasses.replace(recipe, steps=10**24).total_steps(1437)


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
    assert (recipe.clip_norm, recipe.label_smoothing, recipe.decay) == (2.0, 0.1, "kernels")
    assert recipe.augmentation == "random_resized_crop_and_color"


def test_all_weights_decay_in_the_resnet_papers_only():
    decaying = {name for name, recipe in RECIPES.items() if recipe.decay == "all"}
    assert decaying == {"cifar", "cifar_warmup", "imagenet"}
    with pytest.raises(ArgumentError, match="decay='biases' is unknown: use 'all' or 'kernels'."):
        dataclasses.replace(RECIPES["cifar"], decay="biases")


@pytest.mark.parametrize(
    "name, steps, batch_size, drops, rate, decay",
    [
        ("rcnn", 70_000, 2, (20_000, 40_000, 60_000), 1e-3, "kernels"),
        ("spp_net", 300_000, 2, (250_000,), 1e-4, "all"),
        ("fast_rcnn", 40_000, 2, (30_000,), 1e-3, "kernels"),
        ("fast_rcnn_coco", 240_000, 2, (160_000,), 1e-3, "kernels"),
        ("faster_rcnn", 70_000, 2, (50_000,), 1e-3, "all"),
        ("faster_rcnn_coco", 320_000, 8, (240_000,), 1e-3, "all"),
        ("faster_rcnn_alternating", 80_000, 1, (60_000,), 1e-3, "all"),
        ("faster_rcnn_alternating_coco", 320_000, 8, (240_000,), 1e-3, "all"),
    ],
)
def test_each_detection_systems_schedule(name, steps, batch_size, drops, rate, decay):
    recipe = detection.RECIPES[name].recipe
    assert (recipe.total_steps(5_011), recipe.batch_size) == (steps, batch_size)
    assert (recipe.momentum, recipe.weight_decay, recipe.decay, recipe.bias_learning_rate) == (0.9, 5e-4, decay, 2.0)
    around = [step for drop in drops for step in (drop - 1, drop)]
    expected = [rate * 0.1 ** (i + change) for i in range(len(drops)) for change in (0, 1)]
    np.testing.assert_allclose(learning_rates(recipe, steps, around), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "recipe, examples",
    [
        (RECIPES["cifar_short"], 50_000),
        (RECIPES["fashion_short"], 60_000),
        (RECIPES["digits_short"], 1_437),
        (detection.RECIPES["digit_scenes_short"].recipe, 1_000),
    ],
)
def test_short_recipes_have_one_cycle_of_the_learning_rate(recipe, examples):
    total = recipe.total_steps(examples)
    rates = np.array(learning_rates(recipe, total, range(total)))
    assert rates[0] == 0 and rates[-1] < 1e-3 * recipe.learning_rate
    assert rates.max() == pytest.approx(recipe.learning_rate)
    assert 0.05 * total < rates.argmax() < 0.25 * total
    assert np.all(np.diff(rates[: rates.argmax()]) > 0) and np.all(np.diff(rates[rates.argmax() :]) < 0)


def test_digits_are_not_mirrored():
    assert RECIPES["digits"].augmentation == RECIPES["digits_short"].augmentation == "pad_and_crop"
    assert detection.RECIPES["digit_scenes_short"].recipe.augmentation == "none"
    assert all(recipe.augmentation in AUGMENTATIONS for recipe in RECIPES.values())
    assert all((recipe.mixup_alpha is None) == (recipe.cutmix_alpha is None) for recipe in RECIPES.values())


def test_defaults_and_unknown_names():
    assert default_recipe("digits") == default_recipe("idx:/data") == default_recipe("one_digit_scenes") == "digits"
    assert detection.default_recipe("digit_scenes") == detection.default_recipe("one_digit_scenes") == "digit_scenes"
    for system, alternating, name in [
        ("rcnn", False, "rcnn"),
        ("spp_net", False, "spp_net"),
        ("fast_rcnn", False, "fast_rcnn"),
        ("faster_rcnn", False, "faster_rcnn"),
        ("faster_rcnn", True, "faster_rcnn_alternating"),
        ("mask_rcnn_fpn", False, "mask_rcnn_fpn"),
    ]:
        assert detection.default_recipe("voc:/data", system, alternating) == name
        assert detection.default_recipe("digit_scenes", system, alternating) == "digit_scenes"
        of_coco = f"{name}_coco" if system.startswith("fast") else name
        assert detection.default_recipe("coco:/a,/b", system, alternating) == of_coco
    assert default_recipe("tfds:cifar10") == default_recipe("tfds:cifar100") == "cifar"
    assert default_recipe("folder:/pets") == default_recipe("tfds:imagenet2012") == "imagenet"
    with pytest.raises(ArgumentError, match="--recipe=fast is unknown: use cifar, cifar_warmup, imagenet, imagenet_mo"):
        get_recipe("fast", RECIPES)
