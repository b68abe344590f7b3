"""Flags of tasks with boxes."""

import dataclasses

from absl import flags

from keras_resnets import ArgumentError
from keras_resnets.detection.backbones import backbone_names
from keras_resnets.weights.loading import check_file
from trainers.data.registry import open_detection_dataset
from trainers.engine.run_folder import RunFolder, begun_as
from trainers.flags import command
from trainers.flags import training as flags_training
from trainers.flags.training import (
    define_distribution,
    define_recipe,
    define_sizes,
    define_training,
    recipe_choices,
    sizes_by_flags,
)
from trainers.recipes.recipe import get_recipe
from trainers.runtime.distribution import is_chief
from trainers.runtime.failures import naming
from trainers.tasks import configuration
from trainers.tasks.detection_config import _recipe_options, default_resizing
from trainers.tasks.nets import GENERAL

FLAG_OF_KIND = {
    bool: flags.DEFINE_boolean,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    tuple: flags.DEFINE_list,
}


FLAG_OF_OPTION = {
    "head": flags.DEFINE_string,
    "pool_size": flags.DEFINE_integer,
    "anchor_rounding": flags.DEFINE_string,
    "voting_iou": flags.DEFINE_float,
}


LISTS_OF_INTEGERS = ("pyramid",)


def define_flags(kind):
    """Defines the flags of `config_from_flags`."""
    command.define_model_dir()
    command.define_data()
    define_distribution()
    names = [*GENERAL, *backbone_names()]
    flags.DEFINE_string("backbone", "resnet101", f"One of {', '.join(names)}.")
    define_sizes()
    flags.DEFINE_string(
        "dataset",
        None,
        "digit_scenes, one_digit_scenes, voc:PATH, coco:IMAGES,TRAIN.json,IMAGES,TEST.json or tfds:NAME.",
        required=True,
    )
    flags.DEFINE_boolean("strict", False, "Whether a damaged file or object ends the run, instead of being left out.")
    flags.DEFINE_integer("short_side", None, f"Of a resized image, in pixels; default: {kind.sides[0]}.", lower_bound=1)
    flags.DEFINE_integer(
        "long_side", None, f"Of a resized image, at most, in pixels; default: {kind.sides[1]}.", lower_bound=1
    )
    flags.DEFINE_list("canvas", None, "HEIGHT,WIDTH that images are padded to; default: a square that fits them all.")
    flags.DEFINE_integer("max_boxes", None, "Boxes that an image may have; default: as many as one has.", lower_bound=1)
    define_options(kind)
    define_recipe(kind.recipes)
    define_training()


def define_options(kind, names=None):
    """Defines a flag for each option of a kind's models, or for those of some names."""
    for field in _option_fields(kind, names):
        define = FLAG_OF_OPTION.get(field.name) or FLAG_OF_KIND[type(field.default)]
        define(field.name, None, f"{field.metadata['help']} Default: {field.default}, or the system's or recipe's.")


def _option_fields(kind, names=None):
    """Returns the fields of all options of a kind, each name once."""
    fields = {field.name: field for owner in reversed(kind.options) for field in dataclasses.fields(owner)}
    return [fields[name] for name in names or fields if name not in kind.without_flag]


def given_options(kind, names=None):
    """Returns the options, by their names, that the flags of `define_options` give."""
    given = {field.name: flags.FLAGS[field.name].value for field in _option_fields(kind, names)}
    return {
        name: command.numbers(name, int if name in LISTS_OF_INTEGERS else float) if isinstance(value, list) else value
        for name, value in given.items()
        if value is not None
    }


def config_from_flags(kind, options_class):
    """Returns what the flags of `define_flags` say.

    Args:
        kind: a `BoxTaskSpec`.
        options_class: one of its `options`.

    Returns:
        A dict of the arguments of `box_config` after the first two, the `RunFolder`, and the strategy to train it with.

    Raises:
        ArgumentError: for flags that cannot work, if possible before the data are read.
    """
    options = flags.FLAGS
    # What is unknown is said before the data are read.
    backbone, given = options.backbone, given_options(kind)
    if backbone not in [*GENERAL, *backbone_names()]:
        raise ArgumentError(f"--backbone={backbone} is unknown: use {', '.join([*GENERAL, *backbone_names()])}.")
    if options.remat:
        raise ArgumentError("--remat is for classification: use a smaller --batch_size, or a higher --accumulation.")
    sizes = sizes_by_flags("backbone", backbone)
    if options.init_weights not in (None, configuration.PUBLISHED_WEIGHTS):
        with naming("--init_weights"):
            check_file(options.init_weights)
    begun = begun_as(kind.task, options.model_dir)
    recipe_name = options.recipe or (begun or {}).get("recipe_name") or kind.default_recipe(options.dataset)
    get_recipe(recipe_name, kind.recipes, begun)
    head = getattr(_recipe_options(kind, options_class, recipe_name, given, begun), "head", None)
    if head is None and "head_units" in given:
        raise ArgumentError(f"--head_units={given['head_units']} has no effect without --head: leave it out.")
    choices, canvas = recipe_choices(), command.numbers("canvas", int)
    sides = options.short_side, options.long_side, canvas
    strategy = flags_training.strategy()
    dataset = open_detection_dataset(options.dataset, options.data_dir, options.download, options.strict)
    run = RunFolder(options.model_dir, is_chief(strategy))
    return (
        {
            "backbone": backbone,
            "dataset_name": options.dataset,
            "dataset": dataset,
            "recipe_name": recipe_name,
            "options": given,
            "resizing": default_resizing(kind, dataset, *sides) if any(sides) else None,
            "max_boxes": options.max_boxes,
            "data_dir": options.data_dir,
            "begun": begun,
            **sizes,
            **choices,
        },
        run,
        strategy,
    )
