"""Flags of tasks with boxes."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from absl import flags

from keras_resnets.detection.backbone_names import backbone_names
from keras_resnets.detection.options import OLD_NAMES, make_options
from keras_resnets.detection.registry import COCO
from keras_resnets.errors import ArgumentError
from keras_resnets.serving.formats import MAX_PIXELS
from trainers.data.registry import check_name, open_detection_dataset, usage
from trainers.data.split_names import split_of_run
from trainers.engine.older_runs import OLDER_VOC_FIRST_PIXEL
from trainers.engine.run_folder import RunFolder, begun_as
from trainers.flags import command, net_sizes, training
from trainers.recipes.recipe import chosen_recipe, get_recipe
from trainers.runtime.choices import BOX_AUGMENTATIONS
from trainers.runtime.failures import as_flags
from trainers.tasks.nets import GENERAL
from trainers.tasks.specs import DETECTION, SYSTEMS, TEST_OPTIONS, BoxTaskSpec, recipe_options

if TYPE_CHECKING:
    import tensorflow as tf

    from trainers.tasks.detection_config import BoxChoices

# The functions that define a flag, by the type of an option.
DEFINE = {
    bool: flags.DEFINE_boolean,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
    tuple: flags.DEFINE_list,
}
# The defaults of options that depend on other flags.
DEFAULTS = {"train_batch_norm": "true without --init_weights, else false"}


def define_flags(spec: BoxTaskSpec) -> None:
    """Defines the flags of `choices_from_flags`."""
    command.define_model_dir()
    command.define_data()
    training.define_distribution()
    flags.DEFINE_string(
        "backbone",
        "resnet101",
        f"A residual net, VGG or ZF: {', '.join(GENERAL)}, or a name of keras_resnets.list_models().",
    )
    net_sizes.define_sizes()
    flags.DEFINE_string("dataset", None, f"{usage('detection')}.", required=True)
    flags.DEFINE_boolean(
        "strict", False, "Whether a damaged file or object ends the run; if not, it is reported and left out."
    )
    flags.DEFINE_enum(
        "voc_first_pixel",
        None,
        ["auto", "0", "1"],
        "From what the coordinates of voc: count: 1, as VOC's, or 0, as those of datumaro, CVAT and Label Studio; auto "
        "is 0 where an xmin or ymin is 0, and else 1. Default: auto, or that of the run that goes on.",
    )
    flags.DEFINE_integer(
        "short_side",
        None,
        f"Short side of a resized image, in pixels; default: the recipe's or the detector's, or {spec.sides[0]}.",
        lower_bound=1,
    )
    flags.DEFINE_integer(
        "long_side",
        None,
        f"Longest side of a resized image, in pixels; default: the recipe's or the detector's, or {spec.sides[1]}.",
        lower_bound=1,
    )
    flags.DEFINE_list(
        "canvas", None, "HEIGHT,WIDTH that images are padded to, in pixels; default: a square for images of any shape."
    )
    flags.DEFINE_integer(
        "max_boxes", None, "Largest number of boxes in an image; default: that of the data set.", lower_bound=1
    )
    flags.DEFINE_enum(
        "augmentation", None, BOX_AUGMENTATIONS, "Random changes of training images; default: the recipe's."
    )
    define_options(spec)
    training.define_recipe(spec.recipes, f"that of the data set{' and the system' if len(spec.options) > 1 else ''}")
    training.define_training()


def define_options(spec: BoxTaskSpec, names: tuple[str, ...] = (), default: str | None = None) -> None:
    """Defines a flag for each option of a task's models.

    Args:
        spec: the task.
        names: options that have a flag; () for all.
        default: whose value an option has where its flag is not given; None for the options' own defaults.
    """
    fields = _option_fields(spec, names)
    others = "the system or the recipe" if len(spec.options) > 1 else "the recipe"
    for field in fields:
        own_default = DEFAULTS.get(field.name, f"{_written(field.default)}, unless {others} has another")
        DEFINE[_type(field)](field.name, None, f"{field.metadata['help']} Default: {default or own_default}.")
    for old, new in OLD_NAMES.items():
        if new in [field.name for field in fields]:
            command.define_old_name(old, new)


def _option_fields(spec, names):
    """Returns the fields of all options of a task, each name once."""
    fields = {field.name: field for owner in reversed(spec.options) for field in dataclasses.fields(owner)}
    return [fields[name] for name in names or fields if name not in spec.without_flag]


def _type(field):
    """Returns the key of `DEFINE` for an option: its type without None, and without that of its entries."""
    if isinstance(field.type, types.UnionType):
        (type_,) = set(typing.get_args(field.type)) - {types.NoneType}
        return type_
    return typing.get_origin(field.type) or field.type


def _written(value):
    """Returns the default of an option as a user writes it."""
    if isinstance(value, tuple):
        return ",".join(map(_written, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def options_from_flags(spec: BoxTaskSpec, names: tuple[str, ...] = ()) -> dict[str, Any]:
    """Returns the options, by their names, that the flags of `define_options` give."""
    given = {}
    for field in _option_fields(spec, names):
        value = flags.FLAGS[field.name].value
        if isinstance(value, list):
            value = command.numbers(field.name, typing.get_args(field.type)[0])
        if value is not None:
            given[field.name] = value
    return given


def check(spec: BoxTaskSpec, options_class: type, detector: str | None = None, masks: bool = False) -> Any:
    """Checks what the flags of `define_flags` say, as far as that needs neither the data nor TensorFlow.

    Args:
        spec: the task.
        options_class: one of its `options`.
        detector: the value of --detector, where there is such a flag.
        masks: whether the model learns from masks of the objects.

    Returns:
        The options of that class.

    Raises:
        ArgumentError: for flags that cannot work.
    """
    options, names = flags.FLAGS, [*GENERAL, *backbone_names()]
    if options.backbone not in names:
        raise ArgumentError(f"--backbone={options.backbone} is unknown: use {', '.join(names)}.")
    net_sizes.check_net("backbone", options.backbone)
    if options.remat:
        raise ArgumentError("--remat is for classification: use a smaller --batch_size, or a higher --accumulation.")
    check_name("detection", options.dataset, options.strict, options.voc_first_pixel or "auto", masks)
    _check_canvas()
    begun, recipe_name = _begun_and_recipe(spec)
    tags = () if detector is None else (COCO,)
    training.check(get_recipe(recipe_name, spec.recipes, begun), begun is not None, tags)
    given = options_from_flags(spec)
    with as_flags():
        chosen = recipe_options(spec, options_class, recipe_name, given, begun, detector)
    if getattr(chosen, "head", None) is None and "head_units" in given:
        raise ArgumentError(f"--head_units={given['head_units']} has no effect without --head: leave it out.")
    return chosen


def _check_canvas():
    """Raises ArgumentError for images that are padded to more pixels than an export would decode."""
    options = flags.FLAGS
    side = options.long_side or options.short_side or 0
    canvas = command.numbers("canvas", int) or (side, side)
    if math.prod(canvas) > MAX_PIXELS:
        flag = "canvas" if options.canvas else "long_side" if options.long_side else "short_side"
        raise ArgumentError(
            f"--{flag}={','.join(map(str, canvas if options.canvas else canvas[:1]))} makes images of "
            f"{' x '.join(map(str, canvas))} pixels, more than {MAX_PIXELS}: pass less, or a smaller --canvas."
        )


def check_test_options(config: Mapping[str, Any]) -> None:
    """Checks the flags of `TEST_OPTIONS` for a run with this configuration.

    Raises:
        ArgumentError: for values that cannot work.
    """
    given = options_from_flags(DETECTION, TEST_OPTIONS)
    if given and config["task"] == DETECTION.task:
        with as_flags():
            make_options({**config["options"], **given}, SYSTEMS[config["system"]].options)


def _recipe_choices():
    """Returns the result of `training.recipe_choices_from_flags`, with the augmentation."""
    choices = training.recipe_choices_from_flags()
    changes = {**choices["recipe_changes"], "augmentation": flags.FLAGS.augmentation}
    return {**choices, "recipe_changes": changes}


def _begun_and_recipe(spec):
    """Returns the configuration of the run if it exists already, or None, and the name of its recipe."""
    options = flags.FLAGS
    begun = begun_as(spec.task, options.model_dir)
    return begun, chosen_recipe(options.recipe, begun, spec.default_recipe(options.dataset), spec.recipes)


def choices_from_flags(
    spec: BoxTaskSpec, detector: str | None = None, masks: bool = False
) -> tuple[BoxChoices, RunFolder, tf.distribute.Strategy]:
    """Returns what the flags of `define_flags` say, which `check` has checked.

    Args:
        spec, detector, masks: see `check`.

    Returns:
        The choices, the run's folder, and the strategy to train it with.

    Raises:
        ArgumentError: for flags that cannot work.
    """
    from trainers.runtime.distribution import is_chief
    from trainers.tasks.detection_config import BoxChoices, default_resizing

    options = flags.FLAGS
    begun, recipe_name = _begun_and_recipe(spec)
    sizes = net_sizes.sizes_from_flags("backbone", options.backbone)
    sides = options.short_side, options.long_side, command.numbers("canvas", int)
    strategy = training.prepare_devices()
    of_begun = begun.get("voc_first_pixel", OLDER_VOC_FIRST_PIXEL) if begun else "auto"
    first_pixel = options.voc_first_pixel or of_begun
    dataset = open_detection_dataset(
        options.dataset,
        options.data_dir,
        options.download,
        options.strict,
        voc_first_pixel=first_pixel,
        labels=begun and begun["labels"],
        measured=split_of_run(begun),
        masks=masks,
    )
    choices = BoxChoices(
        options.dataset,
        dataset,
        recipe_name,
        data_dir=options.data_dir,
        begun=begun,
        backbone=options.backbone,
        options=options_from_flags(spec),
        resizing=default_resizing(spec, dataset, recipe_name, *sides, detector) if any(sides) else None,
        detector=detector,
        max_boxes=options.max_boxes,
        jit_compile=options.jit_compile,
        voc_first_pixel=first_pixel,
        **sizes,
        **_recipe_choices(),
    )
    return choices, RunFolder(options.model_dir, is_chief(strategy)), strategy
