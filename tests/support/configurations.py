"""Configurations of runs from keyword arguments, those of the recipe's fields among them."""

import dataclasses

from trainers.recipes.recipe import Recipe
from trainers.tasks import classification, detection, localization, localization_rcnn
from trainers.tasks.configuration import Choices
from trainers.tasks.detection_config import BoxChoices

RECIPE_FIELDS = {field.name for field in dataclasses.fields(Recipe)}


def classification_config(model, dataset_name, dataset, recipe_name, **changes):
    """Returns a configuration of `Classification`; `changes` are for `configure`, `Choices` or the recipe."""
    choices = _choices(Choices, dataset_name, dataset, recipe_name, changes)
    return classification.configure(choices, model, **changes)


def detection_config(*arguments, **changes):
    """Returns a configuration of `Detection`: see `_box_config`."""
    return _box_config(detection.configure, *arguments, **changes)


def localization_config(*arguments, **changes):
    """Returns a configuration of `Localization`: see `_box_config`."""
    return _box_config(localization.configure, *arguments, **changes)


def localization_rcnn_config(*arguments, **changes):
    """Returns a configuration of `LocalizationRCNN`: see `_box_config`."""
    return _box_config(localization_rcnn.configure, *arguments, **changes)


def _box_config(configure, backbone, dataset_name, dataset, recipe_name, **changes):
    """Returns a configuration of a task with boxes; `changes` are for `configure`, `BoxChoices` or the recipe."""
    changes["backbone"] = backbone
    choices = _choices(BoxChoices, dataset_name, dataset, recipe_name, changes)
    return configure(choices, **changes)


def _choices(kind, dataset_name, dataset, recipe_name, changes):
    """Returns the choices, and removes them from `changes`."""
    names = {field.name for field in dataclasses.fields(kind)} & changes.keys()
    recipe_changes = {name: changes.pop(name) for name in RECIPE_FIELDS & changes.keys()}
    return kind(dataset_name, dataset, recipe_name, recipe_changes, **{name: changes.pop(name) for name in names})
