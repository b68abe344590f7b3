"""The tasks with boxes as their flags see them: tables that need no TensorFlow."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import keras_resnets
from keras_resnets.detection.options import (
    FastRCNNOptions,
    LocalizerOptions,
    Options,
    RCNNOptions,
    RegionOptions,
    SPPNetOptions,
    make_options,
)
from trainers.recipes import detection, localization
from trainers.recipes.recipe import BoxRecipe, Recipe, goes_on

DETECTOR_SIDES = (600, 1000)  # px (Fast R-CNN, arXiv 1504.08083, section 5.2)
# px: training cuts 224 out of it (ResNet, arXiv 1512.03385, section 3.4); the long side is our choice.
LOCALIZER_SIDES = (256, 448)
MOST_PROPOSALS = 2000  # of an image: what selective search finds in R-CNN (arXiv 1311.2524, section 2.1)


@dataclasses.dataclass(frozen=True)
class BoxTaskSpec:
    """What the flags and the configuration of a task depend on.

    Attributes:
        task: its name in `trainers.tasks.registry`.
        options: the classes of its models' options.
        rows: its recipes.
        default_recipe: function from a value of --dataset to the name of a recipe.
        without_flag: names of options that have no effect on its models, or one value only.
        sides: short side of a resized image, and its longest long side, in pixels, where images differ in size.
    """

    task: str
    options: tuple[type, ...]
    rows: Mapping[str, BoxRecipe]
    default_recipe: Callable[[str], str]
    without_flag: tuple[str, ...] = ()
    sides: tuple[int, int] = DETECTOR_SIDES

    @property
    def recipes(self) -> dict[str, Recipe]:
        """How models are trained, by the names of the recipes."""
        return {name: row.recipe for name, row in self.rows.items()}


DETECTION = BoxTaskSpec(
    task="detection",
    options=(Options, RCNNOptions, SPPNetOptions, FastRCNNOptions),
    rows=detection.RECIPES,
    default_recipe=detection.default_recipe,
)
LOCALIZATION = BoxTaskSpec(
    task="localization",
    options=(LocalizerOptions,),
    rows=localization.RECIPES,
    default_recipe=localization.default_recipe,
    sides=LOCALIZER_SIDES,
)
LOCALIZATION_RCNN = BoxTaskSpec(
    task="localization_rcnn",
    options=(RCNNOptions,),
    rows=localization.RCNN_RECIPES,
    default_recipe=localization.default_recipe,
    without_flag=("svm", "score_threshold", "nms_threshold", "max_detections", "voting_iou", "box_refinement"),
    sides=LOCALIZER_SIDES,
)


def recipe_options(
    spec: BoxTaskSpec,
    options_class: type,
    recipe_name: str,
    given: Mapping[str, Any],
    begun: Mapping[str, Any] | None,
):
    """Returns a model's options: the recipe's, changed by those that are given.

    Args:
        spec: of the task.
        options_class: one of `spec.options`.
        recipe_name: a row of `spec.recipes`.
        given: fields of the class.
        begun: the configuration of the run where it exists already, whose options are the recipe's.

    Raises:
        ArgumentError: for a value that cannot work.
    """
    if goes_on(begun, recipe_name):
        row = begun["options"]
    else:
        recipe = spec.rows[recipe_name]
        row = {**recipe.options, **recipe.options_of.get(options_class, {})}
    names = {field.name for field in dataclasses.fields(options_class)}
    changed = {name: value for name, value in row.items() if name in names}
    return make_options({**changed, **given}, options_class)


@dataclasses.dataclass(frozen=True)
class System:
    """A row of `SYSTEMS`.

    Attributes:
        title: heading of pictures and figures.
        class_name: of its detector, in `keras_resnets`.
        options: the class of its options.
        has_roi_pooling: whether --roi_pooling has an effect.
    """

    title: str
    class_name: str
    options: type[RegionOptions]
    has_roi_pooling: bool = False

    @property
    def model(self) -> type:
        """The class of its detector."""
        return getattr(keras_resnets, self.class_name)


SYSTEMS = {
    "faster_rcnn": System("Faster R-CNN", "FasterRCNN", Options, has_roi_pooling=True),
    "fast_rcnn": System("Fast R-CNN", "FastRCNN", FastRCNNOptions, has_roi_pooling=True),
    "rcnn": System("R-CNN", "RCNN", RCNNOptions),
    "spp_net": System("SPPnet", "SPPNet", SPPNetOptions),
}

# Options of a detector that change nothing that was trained.
TEST_OPTIONS = (
    "box_refinement",
    "canonical_size",
    "max_detections",
    "nms_threshold",
    "scales",
    "scales_per_region",
    "score_threshold",
    "test_post_nms_topk",
    "test_pre_nms_topk",
    "voting_iou",
)
