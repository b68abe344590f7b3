"""Object detection by R-CNN and its successors: the binary that trains a detector.

python -m trainers.detection --backbone=resnet --filters=32,64,128,256 --dataset=digit_scenes --model_dir=/tmp/scenes
"""

import dataclasses
import os

import numpy as np
from absl import flags

from keras_resnets import ArgumentError
from keras_resnets.detection.backbones import backbone_names
from keras_resnets.detection.options import make_options
from keras_resnets.detection.region_detector import ROI_POOLING, backbone_normalization
from keras_resnets.detection.resizing import Resizing
from keras_resnets.layers import AnchorGenerator
from keras_resnets.weights.loading import check_file
from trainers import alternating, cli, recipes, staged, training
from trainers.data.objects import open_detection_dataset
from trainers.data.proposals import METHODS
from trainers.data.proposed import propose_by
from trainers.detection_task import GENERAL, SYSTEMS, Detection
from trainers.distribution import is_chief
from trainers.failures import naming
from trainers.run import Run

SHORT_SIDE, LONG_SIDE = 600, 1000  # px (Fast R-CNN, arXiv 1504.08083, section 5.2)
CANVAS_MULTIPLE = 32  # px
MOST_BOXES = 100  # of an image, where the data set does not tell
MOST_PROPOSALS = 2000  # of an image: what selective search finds in R-CNN (arXiv 1311.2524, section 2.1)
WITH_ROI_POOLING = ("faster_rcnn", "fast_rcnn")
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


def configure(
    backbone,
    dataset_name,
    dataset,
    recipe_name,
    *,
    system="faster_rcnn",
    proposals=None,
    alternating=False,
    block_counts=None,
    filters=None,
    roi_pooling="max",
    options=None,
    resizing=None,
    max_boxes=None,
    data_dir=None,
    precision="float32",
    init_weights=None,
    freeze=(),
    stage_learning_rates=None,
    seed=0,
    begun=None,
    **changes,
):
    """Makes a run's configuration: everything needed to repeat it.

    Args:
        backbone: a name of `keras_resnets.detection.backbones`, or of `GENERAL`.
        dataset_name: the value of --dataset.
        dataset: the `DetectionDataset` of that name.
        recipe_name: a row of `trainers.recipes.DETECTION_RECIPES`.
        system: a name of `trainers.detection_task.SYSTEMS`.
        proposals: for systems that do not find regions themselves, arguments of `trainers.data.proposed.propose_by`;
            `dataset` has these proposals.
        alternating: whether Faster R-CNN is trained in four steps, instead of jointly.
        block_counts, filters: the stages of a general form.
        roi_pooling: the value of --roi_pooling, for systems that have a choice.
        options: dict of fields of the system's options, which change the recipe's.
        resizing: a `Resizing`; None for the data set's default.
        max_boxes: boxes that an image may have, None for the most that one has.
        data_dir ... seed: see `trainers.training.common_config`.
        begun: the configuration of the run where it exists already: it goes on without the file of `init_weights`.
        **changes: fields of the recipe to change; None leaves the recipe's value.

    Returns:
        A dict that can be written as JSON.

    Raises:
        ArgumentError: for choices that do not fit together.
    """
    recipe = recipes.change(recipes.get_recipe(recipe_name, recipes.DETECTION_RECIPES), dataset.train.size, **changes)
    options = _options(system, recipe_name, init_weights, options or {})
    resizing = resizing or default_resizing(dataset)
    if system == "faster_rcnn":
        _check_anchors(options, resizing)
    return {
        "task": "detection",
        "system": system,
        "alternating": alternating,
        "proposals": proposals,
        "backbone": backbone,
        "block_counts": block_counts,
        "filters": filters,
        "pooling": {"roi_pooling": roi_pooling} if system in WITH_ROI_POOLING else {},
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


def _options(system, recipe_name, init_weights, given):
    """Returns the options of a system: the recipe's, as far as it has them, changed by those that are given."""
    kind = SYSTEMS[system].model.OPTIONS
    names = {field.name for field in dataclasses.fields(kind)}
    row = {name: value for name, value in recipes.DETECTORS[recipe_name].items() if name in names}
    # Batch normalization that starts from nothing has to learn.
    return make_options({"train_batch_norm": init_weights is None, **row, **given}, kind)


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


def default_resizing(dataset, short_side=None, long_side=None, canvas=None):
    """Returns the `Resizing` of a data set: what is not given is that of the paper, or of images of one size, theirs.

    Args:
        dataset: a `DetectionDataset`.
        short_side, long_side: in pixels.
        canvas: (height, width); None for a square that images of any shape fit in.
    """
    short_side = short_side or dataset.side or SHORT_SIDE
    long_side = long_side or (short_side if dataset.side else max(LONG_SIDE, short_side))
    side = -(-long_side // CANVAS_MULTIPLE) * CANVAS_MULTIPLE
    return Resizing(short_side, long_side, canvas or (side, side))


def _define_flags():
    cli.define_model_dir()
    cli.define_data()
    cli.define_distribution()
    names = [*GENERAL, *backbone_names()]
    flags.DEFINE_string("backbone", "resnet101", f"One of {', '.join(names)}.")
    flags.DEFINE_list("block_counts", ["2", "2", "2", "2"], "Of resnet and resnet_v2: units of each stage.")
    flags.DEFINE_list("filters", ["64", "128", "256", "512"], "Of resnet and resnet_v2: filters of each stage.")
    flags.DEFINE_string(
        "dataset", None, "digit_scenes, voc:PATH, coco:IMAGES,TRAIN.json,IMAGES,TEST.json or tfds:NAME.", required=True
    )
    flags.DEFINE_boolean("strict", False, "Whether a damaged file or object ends the run, instead of being left out.")
    flags.DEFINE_integer("short_side", None, "Of a resized image, in pixels; default: 600.", lower_bound=1)
    flags.DEFINE_integer("long_side", None, "Of a resized image, at most, in pixels; default: 1000.", lower_bound=1)
    flags.DEFINE_list("canvas", None, "HEIGHT,WIDTH that images are padded to; default: a square that fits them all.")
    flags.DEFINE_integer("max_boxes", None, "Boxes that an image may have; default: as many as one has.", lower_bound=1)
    flags.DEFINE_enum("system", "faster_rcnn", list(SYSTEMS), "What is trained.")
    flags.DEFINE_boolean("alternating", False, "Whether Faster R-CNN is trained in four steps, instead of jointly.")
    flags.DEFINE_enum("proposals", "selective_search", list(METHODS), "Where other systems than faster_rcnn look.")
    flags.DEFINE_integer("max_proposals", MOST_PROPOSALS, "The most proposals of an image.", lower_bound=1)
    flags.DEFINE_string("proposal_dir", None, "Where proposals are kept; default: MODEL_DIR/proposals.")
    flags.DEFINE_enum("roi_pooling", "max", list(ROI_POOLING), "How the features of a region are pooled.")
    for field in _option_fields():
        define = FLAG_OF_OPTION.get(field.name) or FLAG_OF_KIND[type(field.default)]
        define(field.name, None, f"See keras_resnets.detection.Options; default: {field.default}, or the recipe's.")
    cli.define_recipe(recipes.DETECTION_RECIPES)
    cli.define_training()


def _option_fields():
    """Returns the fields of all systems' options, each name once."""
    kinds = [system.model.OPTIONS for system in SYSTEMS.values()]
    return {field.name: field for kind in kinds for field in dataclasses.fields(kind)}.values()


def _detector_options():
    """Returns the fields of a system's options that flags give."""
    given = {field.name: flags.FLAGS[field.name].value for field in _option_fields()}
    return {
        name: cli.numbers(name, int if name == "pyramid" else float) if isinstance(value, list) else value
        for name, value in given.items()
        if value is not None
    }


def _main(arguments):
    cli.no_arguments(arguments)
    options = flags.FLAGS
    # What is unknown is said before the data are read.
    backbone, detector = options.backbone, _detector_options()
    if backbone not in [*GENERAL, *backbone_names()]:
        raise ArgumentError(f"--backbone={backbone} is unknown: use {', '.join([*GENERAL, *backbone_names()])}.")
    if options.remat:
        raise ArgumentError("--remat is for classification: use a smaller --batch_size, or a higher --accumulation.")
    stages = {name: cli.numbers(name, int) if backbone in GENERAL else None for name in ("block_counts", "filters")}
    for name in stages:
        if backbone not in GENERAL and options[name].present:
            raise ArgumentError(f"--{name} has no effect with --backbone={backbone}: leave it out.")
    make_options(detector, SYSTEMS[options.system].model.OPTIONS)
    _check_system(options)
    if options.init_weights not in (None, training.PUBLISHED_WEIGHTS):
        with naming("--init_weights"):
            check_file(options.init_weights)
    recipe_name = options.recipe or recipes.default_detection_recipe(options.dataset)
    recipes.get_recipe(recipe_name, recipes.DETECTION_RECIPES)
    choices, canvas = cli.recipe_choices(), cli.numbers("canvas", int)
    strategy = cli.strategy()
    dataset = open_detection_dataset(options.dataset, options.data_dir, options.download, options.strict)
    run = Run(options.model_dir, is_chief(strategy))
    proposals = None
    if options.system != "faster_rcnn":
        folder = os.path.abspath(options.proposal_dir or run.path / "proposals")
        proposals = {"folder": folder, "method": options.proposals, "limit": options.max_proposals}
        dataset = propose_by(dataset, **proposals)
    config = configure(
        backbone,
        options.dataset,
        dataset,
        recipe_name,
        system=options.system,
        proposals=proposals,
        alternating=options.alternating,
        roi_pooling=options.roi_pooling,
        options=detector,
        resizing=default_resizing(dataset, options.short_side, options.long_side, canvas),
        max_boxes=options.max_boxes,
        data_dir=options.data_dir,
        begun=run.config() if run.exists() else None,
        **stages,
        **choices,
    )
    config["jit_compile"] = options.jit_compile  # XLA has random numbers of its own.
    training.train_by_flags(Detection(config, dataset), run, strategy, procedure(config))


def procedure(config):
    """Returns the function that trains a detector of a configuration: see `trainers.training.train`."""
    if config["alternating"]:
        return alternating.train
    return staged.train if config["options"].get("svm") else training.train


def _check_system(options):
    """Raises ArgumentError for flags that do not fit the system."""
    system = options.system
    unused = ["proposals", "max_proposals", "proposal_dir"] if system == "faster_rcnn" else ["alternating"]
    for name in unused + ([] if system in WITH_ROI_POOLING else ["roi_pooling"]):
        if options[name].present:
            raise ArgumentError(f"--{name} has no effect with --system={system}: leave it out.")
    if system == "spp_net" and options.init_weights is None:
        raise ArgumentError(
            "--system=spp_net does not train the convolutions: pass --init_weights, of a classification net."
        )


def run():
    """Entry point of the command."""
    cli.run(_main, _define_flags)


if __name__ == "__main__":
    run()
