"""What the binaries that learn from boxes share: a run's configuration, and their flags."""

import dataclasses

import numpy as np

from keras_resnets import ArgumentError
from keras_resnets.detection.base import backbone_normalization
from keras_resnets.detection.options import make_options
from keras_resnets.detection.resizing import Resizing
from keras_resnets.layers import AnchorGenerator
from trainers.recipes.recipe import change, get_recipe, goes_on
from trainers.runtime.failures import naming
from trainers.tasks import configuration

CANVAS_MULTIPLE = 32  # px


MOST_BOXES = 100  # of an image, where the data set does not tell


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
        kind: a `trainers.tasks.specs.BoxTaskSpec`.
        options_class: one of its `options`.
        backbone: a name of `keras_resnets.detection.backbones`, or of `trainers.tasks.nets.GENERAL`.
        dataset_name: the value of --dataset.
        dataset: the `DetectionDataset` of that name.
        recipe_name: a row of `kind.recipes`.
        block_counts, filters: the stages of a general form.
        width: of VGG or ZF, None for 1.
        options: dict of fields of `options_class`, which change the recipe's.
        resizing: a `Resizing`; None for the data set's default, or the begun run's.
        max_boxes: boxes that an image may have, None for the most that one has.
        freeze: names of stages; None for the recipe's, where there are weights to start from.
        data_dir ... seed: see `trainers.tasks.configuration.common_config`.
        begun: the configuration of the run where it exists already: with its recipe, it keeps what that was when it
            began, and it goes on without the file of `init_weights`.
        **changes: fields of the recipe to change; None leaves the recipe's value.

    Returns:
        A dict that can be written as JSON.

    Raises:
        ArgumentError: for choices that do not fit together.
    """
    recipe = change(get_recipe(recipe_name, kind.recipes, begun), dataset.train.size, **changes)
    # Batch normalization that starts from nothing has to learn.
    options = {"train_batch_norm": init_weights is None, **(options or {})}
    options = _recipe_options(kind, options_class, recipe_name, options, begun)
    if goes_on(begun, recipe_name):
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
        **configuration.common_config(
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
    if goes_on(begun, recipe_name):
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
        kind: a `trainers.tasks.specs.BoxTaskSpec`.
        dataset: a `DetectionDataset`.
        short_side, long_side: in pixels.
        canvas: (height, width); None for a square that images of any shape fit in.
    """
    short_side = short_side or dataset.side or kind.sides[0]
    long_side = long_side or (short_side if dataset.side else max(kind.sides[1], short_side))
    side = -(-long_side // CANVAS_MULTIPLE) * CANVAS_MULTIPLE
    return Resizing(short_side, long_side, canvas or (side, side))
