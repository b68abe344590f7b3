"""The tasks with boxes as their flags see them: tables that need no TensorFlow."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import keras_resnets
from keras_resnets.detection import registry
from keras_resnets.detection.options import (
    FasterRCNNOptions,
    FastRCNNOptions,
    FPNOptions,
    LocalizerOptions,
    MaskRCNNOptions,
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
        sides: short side of a resized image, and its longest long side, in pixels, where images differ in size and the
            recipe has none.
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
    options=(FasterRCNNOptions, RCNNOptions, SPPNetOptions, FastRCNNOptions, FPNOptions, MaskRCNNOptions),
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
    detector: str | None = None,
):
    """Returns a model's options: the recipe's or the published detector's, changed by those that are given.

    Args:
        spec: of the task.
        options_class: one of `spec.options`.
        recipe_name: a row of `spec.recipes`.
        given: fields of the class.
        begun: the configuration of the run where it exists already, whose options are the recipe's.
        detector: a name of `keras_resnets.list_detectors()`, whose weights would not fit the recipe's options; or None.

    Raises:
        ArgumentError: for a value that cannot work.
    """
    if goes_on(begun, recipe_name):
        row = begun["options"]
    elif detector is not None:
        row = registry.find(detector).arguments
    else:
        recipe = spec.rows[recipe_name]
        row = recipe.options_of.get(options_class, recipe.options)
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
        arguments: of the class, besides the options.
        roi_pooling: the default of --roi_pooling; None where that has no effect.
        finds_regions: whether it needs no --proposals.
        finds_masks: whether it finds masks, and needs those of the objects in training.
    """

    title: str
    class_name: str
    options: type[RegionOptions]
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    roi_pooling: str | None = None
    finds_regions: bool = False
    finds_masks: bool = False

    @property
    def model(self) -> type:
        """The class of its detector."""
        return getattr(keras_resnets, self.class_name)


SYSTEMS = {
    "faster_rcnn": System("Faster R-CNN", "FasterRCNN", FasterRCNNOptions, roi_pooling="max", finds_regions=True),
    "faster_rcnn_fpn": System(
        "Faster R-CNN with FPN", "FasterRCNN", FPNOptions, {"neck": "fpn"}, roi_pooling="align", finds_regions=True
    ),
    "mask_rcnn_fpn": System(
        "Mask R-CNN with FPN",
        "MaskRCNN",
        MaskRCNNOptions,
        {"neck": "fpn"},
        roi_pooling="align",
        finds_regions=True,
        finds_masks=True,
    ),
    "fast_rcnn": System("Fast R-CNN", "FastRCNN", FastRCNNOptions, roi_pooling="max"),
    "rcnn": System("R-CNN", "RCNN", RCNNOptions),
    "spp_net": System("SPPnet", "SPPNet", SPPNetOptions),
}


def systems_of_detectors() -> dict[str, str]:
    """Returns the names in `SYSTEMS` by those of `keras_resnets.list_detectors()`."""
    systems = {(one.class_name, one.arguments.get("neck")): name for name, one in SYSTEMS.items()}
    return {name: systems[row.class_name, row.arguments.get("neck")] for name, row in registry.DETECTORS.items()}


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
