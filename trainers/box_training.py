"""What the binaries that learn from boxes share: a run's configuration, and their flags."""

import dataclasses
import inspect
import re
from collections.abc import Callable

import numpy as np
from absl import flags

from keras_resnets import ArgumentError
from keras_resnets.detection.backbones import backbone_names
from keras_resnets.detection.box_model import backbone_normalization
from keras_resnets.detection.options import make_options
from keras_resnets.detection.resizing import Resizing
from keras_resnets.layers import AnchorGenerator
from keras_resnets.weights.loading import check_file
from trainers import cli, recipes, training
from trainers.data.objects import open_detection_dataset
from trainers.distribution import is_chief
from trainers.failures import naming
from trainers.general_nets import GENERAL, define_sizes, sizes_by_flags
from trainers.run import Run, begun_as

SIDES = (600, 1000)  # px (Fast R-CNN, arXiv 1504.08083, section 5.2)
CANVAS_MULTIPLE = 32  # px
MOST_BOXES = 100  # of an image, where the data set does not tell
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


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of task.

    Attributes:
        task: its name in `trainers.tasks`.
        options: the classes of its models' options.
        recipes: the table of its recipes.
        changed_options: the table of the options that a recipe changes, where a model has them.
        default_recipe: function from a value of --dataset to the name of a recipe.
        frozen: dict of recipes to dicts of backbones to the stages that stay as they are.
        without_flag: names of options that have no effect on its models, or only one value.
        sides: short side of a resized image, and long side at most, in pixels, where images differ in size.
    """

    task: str
    options: tuple[type, ...]
    recipes: dict
    changed_options: dict
    default_recipe: Callable
    frozen: dict = dataclasses.field(default_factory=dict)
    without_flag: tuple[str, ...] = ()
    sides: tuple[int, int] = SIDES


def box_config(
    kind,
    options_class,
    backbone,
    dataset_name,
    dataset,
    recipe_name,
    *,
    block_counts=None,
    filters=None,
    width=None,
    options=None,
    resizing=None,
    max_boxes=None,
    data_dir=None,
    precision="float32",
    init_weights=None,
    freeze=None,
    stage_learning_rates=None,
    seed=0,
    begun=None,
    **changes,
):
    """Makes a run's configuration: everything needed to repeat it, but for what only one kind of task has.

    Args:
        kind: a `Kind`.
        options_class: one of its `options`.
        backbone: a name of `keras_resnets.detection.backbones`, or of `trainers.general_nets.GENERAL`.
        dataset_name: the value of --dataset.
        dataset: the `DetectionDataset` of that name.
        recipe_name: a row of `kind.recipes`.
        block_counts, filters: the stages of a general form.
        width: of VGG or ZF, None for 1.
        options: dict of fields of `options_class`, which change the recipe's.
        resizing: a `Resizing`; None for the data set's default, or the begun run's.
        max_boxes: boxes that an image may have, None for the most that one has.
        freeze: names of stages; None for the recipe's, where there are weights to start from.
        data_dir ... seed: see `trainers.training.common_config`.
        begun: the configuration of the run where it exists already: with its recipe, it keeps what that was when it
            began, and it goes on without the file of `init_weights`.
        **changes: fields of the recipe to change; None leaves the recipe's value.

    Returns:
        A dict that can be written as JSON.

    Raises:
        ArgumentError: for choices that do not fit together.
    """
    recipe = recipes.change(recipes.get_recipe(recipe_name, kind.recipes, begun), dataset.train.size, **changes)
    # Batch normalization that starts from nothing has to learn.
    options = {"train_batch_norm": init_weights is None, **(options or {})}
    options = _recipe_options(kind, options_class, recipe_name, options, begun)
    if recipes.goes_on(begun, recipe_name):
        freeze = begun["freeze"] if freeze is None else freeze
        resizing = resizing or Resizing(**begun["resizing"])
    elif freeze is None and init_weights is not None:
        freeze = kind.frozen.get(recipe_name, {}).get(backbone)
    resizing = resizing or default_resizing(kind, dataset)
    if hasattr(options, "anchor_sizes"):
        _check_anchors(options, resizing)
    return {
        "task": kind.task,
        "backbone": backbone,
        "block_counts": block_counts,
        "filters": filters,
        "width": width,
        "options": dataclasses.asdict(options),
        "normalization": _normalization(backbone, init_weights, begun),
        "resizing": dataclasses.asdict(resizing),
        "max_boxes": _max_boxes(dataset, max_boxes),
        "jit_compile": False,
        **training.common_config(
            dataset_name,
            dataset,
            recipe_name,
            recipe,
            data_dir=data_dir,
            precision=precision,
            init_weights=init_weights,
            freeze=freeze,
            stage_learning_rates=stage_learning_rates,
            seed=seed,
        ),
    }


def _recipe_options(kind, options_class, recipe_name, given, begun):
    """Returns the options of a recipe, as far as the class has them, changed by those that are given."""
    if recipes.goes_on(begun, recipe_name):
        row = begun["options"]
    else:
        row = kind.changed_options[recipe_name] | kind.changed_options.get((recipe_name, options_class), {})
    names = {field.name for field in dataclasses.fields(options_class)}
    changed = {name: value for name, value in row.items() if name in names}
    return make_options({**changed, **given}, options_class)


def _normalization(backbone, init_weights, begun):
    if begun is not None and begun.get("backbone") == backbone:
        return begun["normalization"]
    with naming("--init_weights"):
        return backbone_normalization(backbone, init_weights)


def _check_anchors(options, resizing):
    """Raises ArgumentError where no anchor could be trained."""
    anchors = AnchorGenerator(options.anchor_sizes, options.anchor_ratios).around_zero()
    sides = np.sort(anchors[:, 2:] - anchors[:, :2], axis=1)
    fits = np.all(sides <= [resizing.short_side, resizing.long_side], axis=1)
    if not options.cross_boundary_anchors and not np.any(fits):
        sizes = ",".join(map(str, options.anchor_sizes))
        raise ArgumentError(
            f"--anchor_sizes={sizes} are too large: no anchor lies inside of an image with "
            f"--short_side={resizing.short_side} and --long_side={resizing.long_side}. Pass smaller ones, or "
            "--cross_boundary_anchors."
        )


def _max_boxes(dataset, max_boxes):
    if max_boxes is not None and dataset.most_boxes is not None and max_boxes < dataset.most_boxes:
        raise ArgumentError(
            f"--max_boxes={max_boxes} is less than the {dataset.most_boxes} boxes of an image: leave it out, or pass "
            "as many."
        )
    return max_boxes or max(1, dataset.most_boxes or MOST_BOXES)


def default_resizing(kind, dataset, short_side=None, long_side=None, canvas=None):
    """Returns the `Resizing` of a data set: what is not given is the kind's, or of images of one size, theirs.

    Args:
        kind: a `Kind`.
        dataset: a `DetectionDataset`.
        short_side, long_side: in pixels.
        canvas: (height, width); None for a square that images of any shape fit in.
    """
    short_side = short_side or dataset.side or kind.sides[0]
    long_side = long_side or (short_side if dataset.side else max(kind.sides[1], short_side))
    side = -(-long_side // CANVAS_MULTIPLE) * CANVAS_MULTIPLE
    return Resizing(short_side, long_side, canvas or (side, side))


def define_flags(kind):
    """Defines the flags of `choices_by_flags`."""
    cli.define_model_dir()
    cli.define_data()
    cli.define_distribution()
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
    cli.define_recipe(kind.recipes)
    cli.define_training()


def define_options(kind, names=None):
    """Defines a flag for each option of a kind's models, or for those of some names."""
    for field, owner in _option_fields(kind, names):
        define = FLAG_OF_OPTION.get(field.name) or FLAG_OF_KIND[type(field.default)]
        define(field.name, None, f"{_about(field.name, owner)} Default: {field.default}, or the system's or recipe's.")


def _about(name, options_class):
    """Returns what the docstring of a class of options, or of one that it is made of, says about an option."""
    for owner in options_class.__mro__:
        found = re.search(rf"^    {name}: (.*?)(?=^    \w+: |^\w|\Z)", inspect.getdoc(owner), re.MULTILINE | re.DOTALL)
        if found:
            text = " ".join(found[1].split())
            return text[0].upper() + text[1:]
    raise ValueError(f"{options_class.__name__} does not say what {name} is")


def _option_fields(kind, names=None):
    """Returns the fields of all options of a kind, each name once, and the class that it is taken from."""
    fields = {field.name: (field, owner) for owner in reversed(kind.options) for field in dataclasses.fields(owner)}
    return [fields[name] for name in names or fields if name not in kind.without_flag]


def given_options(kind, names=None):
    """Returns the options, by their names, that the flags of `define_options` give."""
    given = {field.name: flags.FLAGS[field.name].value for field, _ in _option_fields(kind, names)}
    return {
        name: cli.numbers(name, int if name in LISTS_OF_INTEGERS else float) if isinstance(value, list) else value
        for name, value in given.items()
        if value is not None
    }


def choices_by_flags(kind, options_class):
    """Returns what the flags of `define_flags` say.

    Args:
        kind: a `Kind`.
        options_class: one of its `options`.

    Returns:
        A dict of the arguments of `box_config` after the first two, the `Run`, and the strategy to train it with.

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
    if options.init_weights not in (None, training.PUBLISHED_WEIGHTS):
        with naming("--init_weights"):
            check_file(options.init_weights)
    begun = begun_as(kind.task, options.model_dir)
    recipe_name = options.recipe or (begun or {}).get("recipe_name") or kind.default_recipe(options.dataset)
    recipes.get_recipe(recipe_name, kind.recipes, begun)
    head = getattr(_recipe_options(kind, options_class, recipe_name, given, begun), "head", None)
    if head is None and "head_units" in given:
        raise ArgumentError(f"--head_units={given['head_units']} has no effect without --head: leave it out.")
    choices, canvas = cli.recipe_choices(), cli.numbers("canvas", int)
    sides = options.short_side, options.long_side, canvas
    strategy = cli.strategy()
    dataset = open_detection_dataset(options.dataset, options.data_dir, options.download, options.strict)
    run = Run(options.model_dir, is_chief(strategy))
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
