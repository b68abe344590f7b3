"""The part of a run's configuration that all tasks have."""

import dataclasses
import os

import keras
import tensorflow as tf

from trainers.data.registry import absolute

PUBLISHED_WEIGHTS = "imagenet"


def common_config(
    dataset_name,
    dataset,
    recipe_name,
    recipe,
    *,
    data_dir=None,
    precision="float32",
    init_weights=None,
    freeze=None,
    stage_learning_rates=None,
    seed=0,
):
    """Returns the part of a run's configuration that is the same for every task, a dict that can be written as JSON.

    Args:
        dataset_name: the value of --dataset.
        dataset: the data set of that name.
        recipe_name: the value of --recipe.
        recipe: the `Recipe` of that name, changed as the flags say.
        data_dir ... seed: the values of the flags; `stage_learning_rates` is a dict of stages to factors.
    """
    return {
        "dataset": absolute(dataset_name),
        "data_dir": data_dir and os.path.abspath(data_dir),
        "labels": list(dataset.labels),
        "recipe_name": recipe_name,
        "recipe": dataclasses.asdict(recipe),
        "steps": recipe.total_steps(dataset.train.size),
        "precision": precision,
        "init_weights": init_weights if init_weights in (None, PUBLISHED_WEIGHTS) else os.path.abspath(init_weights),
        "freeze": list(freeze or ()),
        "stage_learning_rates": stage_learning_rates or {},
        "seed": seed,
        "versions": {"tensorflow": tf.__version__, "keras": keras.__version__},
    }
