"""The net of a run of classification, from the run's configuration."""

import functools
from collections.abc import Mapping
from typing import Any

import keras

import keras_resnets
from keras_resnets.preprocessing import Preprocessing
from trainers.engine import fine_tuning
from trainers.engine.seeding import seeded
from trainers.recipes.recipe import Recipe
from trainers.runtime.failures import naming
from trainers.tasks.nets import GENERAL, check_sides, general_builder


def net_from_config(config: Mapping[str, Any], classifier_activation: str | None = None) -> keras.Model:
    """Returns a new net of images (B, size, size, 3), normalized; the output is logits (B, classes).

    With an auxiliary head, there are two outputs.

    Args:
        config: a run's configuration, as `trainers.tasks.classification.configure` makes it.
        classifier_activation: of the outputs; None for logits.

    Raises:
        ArgumentError: if no such net can be built.
    """
    size, recipe = Preprocessing(**config["preprocessing"]).size, Recipe(**config["recipe"])
    side, flag = (size, "--image_size") if recipe.second_side is None else (None, "--second_side")
    name = config["model"]
    create = functools.partial(keras_resnets.create_model, name)
    builder = general_builder(name) if name in GENERAL else create
    with (
        naming(flag, about="input_shape"),
        naming("--auxiliary_weight", about="auxiliary_head"),
        seeded(config["seed"]),
    ):
        model = builder(
            input_shape=(side, side, 3),
            classes=len(config["labels"]),
            classifier_activation=classifier_activation,
            **builder_settings(config),
        )
    if recipe.second_side is not None:
        check_sides("--second_side", model, size, recipe.second_side)
    return fine_tuning.configured(model, config["freeze"], recipe)


def builder_settings(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns further arguments of the net's builder; the configurations of older runs lack them."""
    return config.get("arguments", {})
