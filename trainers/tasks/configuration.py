"""The choices that all training runs share, and the part of its configuration that all tasks have."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_resnets.detection.registry import COCO
from keras_resnets.weights.tags import is_published
from trainers.data.classification_dataset import ImageDataset
from trainers.data.detection_dataset import DetectionDataset
from trainers.data.registry import absolute
from trainers.engine.settings import Settings
from trainers.recipes.recipe import Recipe, change, get_recipe, with_fitting_batch


@dataclasses.dataclass(frozen=True)
class Choices:
    """The choices that all training runs share, made by flags or by an experiment.

    Attributes:
        dataset_name: the value of --dataset.
        dataset: the data set of that name.
        recipe_name: a row of the task's table of recipes.
        recipe_changes: values of fields of the recipe; None leaves the recipe's.
        data_dir: where TensorFlow Datasets keeps its data; None for its default.
        precision: "float32", "mixed_bfloat16" or "mixed_float16".
        init_weights: a weight file of a classification net, the folder of a run of `trainers.classification`, published
            weights (see `keras_resnets.weights.tags`), or, of a published detector, its weight file or `COCO`; None to
            start from random weights.
        freeze: names of stages that are not trained; None for the recipe's.
        stage_learning_rates: factors of the learning rate by the names of stages.
        seed: from 0 to 2 ** 32 - 1.
        sync_batch_norm: whether batch normalization uses the statistics of the whole batch, not of a replica's share.
        on_nan: what to do when a loss is not finite: see `trainers.engine.settings.Settings`.
        begun: the configuration of the run where it exists already. With the same recipe, the run keeps what the recipe
            was when it began; it does not need the file of `init_weights` again.
    """

    dataset_name: str
    dataset: ImageDataset | DetectionDataset
    recipe_name: str
    recipe_changes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    data_dir: str | None = None
    precision: str = "float32"
    init_weights: str | None = None
    freeze: Sequence[str] | None = None
    stage_learning_rates: Mapping[str, float] = dataclasses.field(default_factory=dict)
    seed: int = 0
    sync_batch_norm: bool = Settings.sync_batch_norm
    on_nan: str = Settings.on_nan
    begun: Mapping[str, Any] | None = None

    def recipe(self, recipes: Mapping[str, Recipe]) -> Recipe:
        """Returns the changed recipe, of a table or of the begun run, with a batch that the data set can fill.

        Raises:
            ArgumentError: for an unknown name, or changes that cannot work.
        """
        recipe = get_recipe(self.recipe_name, recipes, self.begun)
        return with_fitting_batch(change(recipe, **self.recipe_changes), self.dataset.train.size)


def _is_path(weights):
    return weights is not None and weights != COCO and not is_published(weights)


def common_config(choices: Choices, recipe: Recipe) -> dict[str, Any]:
    """Returns the part of a run's configuration that all tasks have, a dict that JSON can hold.

    Args:
        choices: the choices.
        recipe: its changed recipe.
    """
    weights = choices.init_weights
    # A run that recorded none keeps none: see `trainers.data.split_names.OLDER_RUNS`.
    records_measured = choices.begun is None or "measured" in choices.begun
    return {
        "dataset": absolute(choices.dataset_name),
        "data_dir": choices.data_dir and os.path.abspath(choices.data_dir),
        "labels": list(choices.dataset.labels),
        "measured": choices.dataset.measured if records_measured else None,
        "recipe_name": choices.recipe_name,
        "recipe": dataclasses.asdict(recipe),
        "steps": recipe.total_steps(choices.dataset.train.size),
        "precision": choices.precision,
        "init_weights": os.path.abspath(weights) if _is_path(weights) else weights,
        "freeze": list(choices.freeze or ()),
        "stage_learning_rates": dict(choices.stage_learning_rates),
        "seed": choices.seed,
        "training": {"sync_batch_norm": choices.sync_batch_norm, "on_nan": choices.on_nan},
        "versions": {"tensorflow": tf.__version__, "keras": keras.__version__},
    }
