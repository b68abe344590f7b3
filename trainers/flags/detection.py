"""Flags of tasks with boxes."""

import dataclasses
import types
import typing

from absl import flags

from keras_resnets.detection.options import OLD_NAMES
from keras_resnets.errors import ArgumentError
from trainers.data.registry import open_detection_dataset, usage
from trainers.engine.run_folder import RunFolder, begun_as
from trainers.flags import command, training
from trainers.recipes.recipe import chosen_recipe
from trainers.tasks.nets import GENERAL
from trainers.tasks.specs import BoxTaskSpec

# The functions that define a flag, by the type of an option.
DEFINE = {
    bool: flags.DEFINE_boolean,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
    tuple: flags.DEFINE_list,
}


def define_flags(spec: BoxTaskSpec) -> None:
    """Defines the flags of `config_from_flags`."""
    command.define_model_dir()
    command.define_data()
    training.define_distribution()
    flags.DEFINE_string(
        "backbone",
        "resnet101",
        f"A residual net, VGG or ZF: {', '.join(GENERAL)}, or a name of keras_resnets.list_models().",
    )
    training.define_sizes()
    flags.DEFINE_string("dataset", None, f"{usage('detection')}.", required=True)
    flags.DEFINE_boolean(
        "strict", False, "Whether a damaged file or object ends the run; if not, it is reported and left out."
    )
    flags.DEFINE_integer(
        "short_side", None, f"Short side of a resized image, in pixels; default: {spec.sides[0]}.", lower_bound=1
    )
    flags.DEFINE_integer(
        "long_side", None, f"Longest side of a resized image, in pixels; default: {spec.sides[1]}.", lower_bound=1
    )
    flags.DEFINE_list(
        "canvas", None, "HEIGHT,WIDTH that images are padded to, in pixels; default: a square for images of any shape."
    )
    flags.DEFINE_integer(
        "max_boxes", None, "Largest number of boxes in an image; default: that of the data set.", lower_bound=1
    )
    define_options(spec)
    training.define_recipe(spec.recipes)
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
        value = default or f"{_written(field.default)}, unless {others} has another"
        DEFINE[_type(field)](field.name, None, f"{field.metadata['help']} Default: {value}.")
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


def given_options(spec: BoxTaskSpec, names: tuple[str, ...] = ()) -> dict:
    """Returns the options, by their names, that the flags of `define_options` give."""
    given = {}
    for field in _option_fields(spec, names):
        value = flags.FLAGS[field.name].value
        if isinstance(value, list):
            value = command.numbers(field.name, typing.get_args(field.type)[0])
        if value is not None:
            given[field.name] = value
    return given


def config_from_flags(kind, options_class):
    """Returns what the flags of `define_flags` say.

    Args:
        kind: a `BoxTaskSpec`.
        options_class: one of its `options`.

    Returns:
        The `BoxChoices`, the `RunFolder`, and the strategy to train it with.

    Raises:
        ArgumentError: for flags that cannot work, if possible before the data are read.
    """
    from keras_resnets.detection.backbones import backbone_names
    from keras_resnets.weights.loading import check_file
    from trainers.runtime.distribution import is_chief
    from trainers.runtime.failures import naming
    from trainers.tasks import configuration
    from trainers.tasks.detection_config import BoxChoices, default_resizing, recipe_options

    options = flags.FLAGS
    # Unknown names are reported before the data are read.
    backbone, given = options.backbone, given_options(kind)
    if backbone not in [*GENERAL, *backbone_names()]:
        raise ArgumentError(f"--backbone={backbone} is unknown: use {', '.join([*GENERAL, *backbone_names()])}.")
    if options.remat:
        raise ArgumentError("--remat is for classification: use a smaller --batch_size, or a higher --accumulation.")
    sizes = training.sizes_by_flags("backbone", backbone)
    if options.init_weights not in (None, configuration.PUBLISHED_WEIGHTS):
        with naming("--init_weights"):
            check_file(options.init_weights)
    begun = begun_as(kind.task, options.model_dir)
    recipe_name = chosen_recipe(options.recipe, begun, kind.default_recipe(options.dataset), kind.recipes)
    head = getattr(recipe_options(kind, options_class, recipe_name, given, begun), "head", None)
    if head is None and "head_units" in given:
        raise ArgumentError(f"--head_units={given['head_units']} has no effect without --head: leave it out.")
    choices, canvas = training.recipe_choices(), command.numbers("canvas", int)
    sides = options.short_side, options.long_side, canvas
    strategy = training.strategy()
    dataset = open_detection_dataset(options.dataset, options.data_dir, options.download, options.strict)
    run = RunFolder(options.model_dir, is_chief(strategy))
    box_choices = BoxChoices(
        options.dataset,
        dataset,
        recipe_name,
        data_dir=options.data_dir,
        begun=begun,
        backbone=backbone,
        options=given,
        resizing=default_resizing(kind, dataset, *sides) if any(sides) else None,
        max_boxes=options.max_boxes,
        jit_compile=options.jit_compile,
        **sizes,
        **choices,
    )
    return box_choices, run, strategy
