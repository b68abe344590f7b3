"""The part of a run's configuration that all box tasks share."""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_resnets.detection.base import backbone_normalization
from keras_resnets.detection.resizing import CANVAS_MULTIPLE, TORCHVISION, Resizing
from keras_resnets.errors import ArgumentError
from keras_resnets.layers import AnchorGenerator
from trainers.data.detection_dataset import DetectionDataset
from trainers.recipes.recipe import goes_on
from trainers.runtime.failures import naming
from trainers.tasks.configuration import Choices, common_config
from trainers.tasks.specs import BoxTaskSpec, recipe_options
from trainers.tasks.starting_weights import detector_file, normalization_of_run

MOST_BOXES = 100  # of an image, if the data set states no maximum


@dataclasses.dataclass(frozen=True)
class BoxChoices(Choices):
    """The choices that all training runs with boxes share; the data set is a `DetectionDataset`.

    Attributes:
        backbone: a name of `keras_resnets.detection.backbones`, or of `trainers.tasks.nets.GENERAL`.
        block_counts: units of each stage of a general net.
        filters: filters of each stage of a general net.
        width: factor of the filters of VGG or ZF; None for 1.
        options: fields of the model's options, which change the recipe's.
        resizing: None for the data set's default, or the begun run's.
        max_boxes: boxes that an image may have; None for the most that one has.
        jit_compile: whether XLA compiles the training step, or "auto". The random numbers of the training depend on it.
        detector: a name of `keras_resnets.list_detectors()`, whose options and resizing are the defaults; or None.
        voc_first_pixel: with which the data set was opened: see `trainers.data.registry.open_detection_dataset`.
    """

    backbone: str = "resnet101"
    block_counts: Sequence[int] | None = None
    filters: Sequence[int] | None = None
    width: float | None = None
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    resizing: Resizing | None = None
    max_boxes: int | None = None
    jit_compile: bool | str = False
    detector: str | None = None
    voc_first_pixel: str = "auto"


def box_config(spec: BoxTaskSpec, options_class: type, choices: BoxChoices) -> dict[str, Any]:
    """Makes the part of a run's configuration that all box tasks share.

    Args:
        spec: of the task.
        options_class: one of `spec.options`.
        choices: the choices.

    Returns:
        A dict that JSON can hold.

    Raises:
        ArgumentError: for choices that do not fit together.
    """
    recipe = choices.recipe(spec.recipes)
    # Batch normalization that starts from random weights has to learn.
    given = {"train_batch_norm": choices.init_weights is None, **choices.options}
    options = recipe_options(spec, options_class, choices.recipe_name, given, choices.begun, choices.detector)
    resizing = choices.resizing
    if resizing is None and goes_on(choices.begun, choices.recipe_name):
        resizing = Resizing(**choices.begun["resizing"])
    resizing = resizing or default_resizing(spec, choices.dataset, choices.recipe_name, detector=choices.detector)
    if hasattr(options, "anchor_sizes"):
        _check_anchors(options, resizing)
    _compare_with_most_detections(options, choices.dataset)
    return {
        "task": spec.task,
        "backbone": choices.backbone,
        "block_counts": choices.block_counts,
        "filters": choices.filters,
        "width": choices.width,
        "options": dataclasses.asdict(options),
        "normalization": _normalization(choices),
        "resizing": dataclasses.asdict(resizing),
        "max_boxes": _max_boxes(choices.dataset, choices.max_boxes),
        "jit_compile": choices.jit_compile,
        "voc_first_pixel": choices.dataset.voc_first_pixel or choices.voc_first_pixel,
        **common_config(dataclasses.replace(choices, freeze=_frozen(spec, choices)), recipe),
    }


def _frozen(spec, choices):
    """Returns the names of the stages that are not trained, or None for none."""
    if choices.freeze is not None:
        return choices.freeze
    if goes_on(choices.begun, choices.recipe_name):
        return choices.begun["freeze"]
    if choices.init_weights is None:
        return None
    return spec.rows[choices.recipe_name].frozen.get(choices.backbone)


def _normalization(choices):
    """Returns the normalization of the backbone's weights, of the begun run or the file."""
    if choices.begun is not None and choices.begun.get("backbone") == choices.backbone:
        return choices.begun["normalization"]
    of_run = normalization_of_run(choices.init_weights)
    if of_run is not None:
        return dataclasses.asdict(of_run)
    with naming("--init_weights"):
        file = choices.init_weights and detector_file(choices.init_weights, choices.detector)
        return backbone_normalization(choices.backbone, file or choices.init_weights)


def _check_anchors(options, resizing):
    """Raises ArgumentError where no anchor could be trained."""
    anchors = AnchorGenerator(options.anchor_sizes, options.anchor_ratios).cell_anchors()
    sides = np.sort(anchors[:, 2:] - anchors[:, :2], axis=1)
    fits = np.all(sides <= [resizing.short_side, resizing.long_side], axis=1)
    if not options.cross_boundary_anchors and not np.any(fits):
        sizes = ",".join(map(str, options.anchor_sizes))
        raise ArgumentError(
            f"--anchor_sizes={sizes} are too large: no anchor lies inside of an image with "
            f"--short_side={resizing.short_side} and --long_side={resizing.long_side}. Pass smaller ones, or "
            "--cross_boundary_anchors."
        )


def _compare_with_most_detections(options, dataset):
    limit = getattr(options, "max_detections", None)
    if limit is not None and (dataset.max_boxes or 0) > limit:
        print(
            f"an image has {dataset.max_boxes} objects, but a detector finds at most {limit}: evaluate and export with "
            f"--max_detections={dataset.max_boxes}",
            file=sys.stderr,
        )


def _max_boxes(dataset, max_boxes):
    if max_boxes is not None and dataset.max_boxes is not None and max_boxes < dataset.max_boxes:
        raise ArgumentError(
            f"--max_boxes={max_boxes} is less than the {dataset.max_boxes} boxes of an image: leave it out, or pass "
            "as many."
        )
    return max_boxes or max(1, dataset.max_boxes or MOST_BOXES)


def default_resizing(
    spec: BoxTaskSpec,
    dataset: DetectionDataset,
    recipe_name: str,
    short_side: int | None = None,
    long_side: int | None = None,
    canvas: tuple[int, int] | None = None,
    detector: str | None = None,
) -> Resizing:
    """Returns how the images of a data set are resized.

    Args:
        spec: of the task.
        dataset: the data set.
        recipe_name: a row of `spec.rows`.
        short_side, long_side: in pixels; None for those of the detector, of images of one size, or of the recipe.
        canvas: (height, width); None for a square that images of any shape fit in.
        detector: a name of `keras_resnets.list_detectors()`, whose sides are those of torchvision; or None.
    """
    of_one_size = dataset.side is not None and detector is None
    sides = (TORCHVISION.short_side, TORCHVISION.long_side) if detector else spec.rows[recipe_name].sides or spec.sides
    short_side = short_side or (dataset.side if of_one_size else sides[0])
    long_side = long_side or (short_side if of_one_size else max(sides[1], short_side))
    side = -(-long_side // CANVAS_MULTIPLE) * CANVAS_MULTIPLE
    return Resizing(short_side, long_side, canvas or (side, side), as_torchvision=detector is not None)
