"""What the configurations of runs of earlier releases lack, or have by another name."""

from typing import Any

from keras_resnets.detection.options import with_new_option_names
from trainers.recipes.recipe import Recipe
from trainers.runtime.choices import OLDER_SPLITS

OLDER_VOC_FIRST_PIXEL = "1"

# Values of settings that are newer than some runs, by their place in the configuration.
NEWER_SETTINGS = {
    **{f"recipe.{field}": getattr(Recipe, field) for field in ("decay", "bias_learning_rate", "side_schedule")},
    "training.sync_batch_norm": True,
    "training.on_nan": "stop",
    "voc_first_pixel": OLDER_VOC_FIRST_PIXEL,
    "sampling": "uniform",
}


def with_present_names(config: dict[str, Any]) -> dict[str, Any]:
    """Returns a configuration with the present names of the options of a detector, if it has options."""
    return {**config, "options": with_new_option_names(config["options"])} if "options" in config else config


def with_present_settings(flat: dict[str, Any]) -> dict[str, Any]:
    """Returns a configuration, whose keys are like "recipe.decay", with the settings that it lacks."""
    return {**NEWER_SETTINGS, **flat}


def was_in_older_runs(key: str, value: Any) -> bool:
    """Returns whether runs that lack a key of the configuration had this value.

    They did not have an option that is newer: it is the same as off. Those that recorded no split were measured with
    one of `OLDER_SPLITS`.
    """
    return not value or (key == "measured" and value in OLDER_SPLITS)
