"""Object detection by R-CNN and its successors: the binary that trains a detector.

python -m trainers.detection --backbone=resnet --filters=32,64,128,256 --dataset=digit_scenes --model_dir=/tmp/scenes
"""

import dataclasses
import functools
import os

from absl import flags

from keras_resnets import ArgumentError
from keras_resnets.detection import FastRCNNOptions, Options, RCNNOptions, SPPNetOptions
from keras_resnets.detection.region_detector import ROI_POOLING
from trainers import alternating, box_training, cli, recipes, staged, training
from trainers.data.proposals import METHODS
from trainers.data.proposed import propose_by
from trainers.detection_task import SYSTEMS, Detection

MOST_PROPOSALS = 2000  # of an image: what selective search finds in R-CNN (arXiv 1311.2524, section 2.1)
WITH_ROI_POOLING = ("faster_rcnn", "fast_rcnn")
KIND = box_training.Kind(
    task="detection",
    options=(Options, RCNNOptions, SPPNetOptions, FastRCNNOptions),
    recipes=recipes.DETECTION_RECIPES,
    changed_options=recipes.DETECTORS,
    default_recipe=recipes.default_detection_recipe,
    frozen=recipes.FROZEN,
)


def configure(*arguments, system="faster_rcnn", proposals=None, alternating=False, roi_pooling="max", **choices):
    """Makes the configuration of a run of `Detection`.

    Args:
        *arguments, **choices: those of `trainers.box_training.box_config` after the first two.
        system: a name of `trainers.detection_task.SYSTEMS`.
        proposals: for systems that do not find regions themselves, arguments of `trainers.data.proposed.propose_by`;
            the data set has these proposals.
        alternating: whether Faster R-CNN is trained in four steps, instead of jointly.
        roi_pooling: the value of --roi_pooling, for systems that have a choice.

    Returns:
        A dict that can be written as JSON.

    Raises:
        ArgumentError: for choices that do not fit together.
    """
    if alternating and system != "faster_rcnn":
        raise ArgumentError(f"alternating={alternating} is for system='faster_rcnn', not {system!r}: leave it out.")
    return {
        **box_training.box_config(KIND, SYSTEMS[system].model.OPTIONS, *arguments, **choices),
        "system": system,
        "alternating": alternating,
        "proposals": proposals,
        "pooling": {"roi_pooling": roi_pooling} if system in WITH_ROI_POOLING else {},
    }


def procedure(config):
    """Returns the function that trains a detector of a configuration: see `trainers.training.train`."""
    if config["alternating"]:
        return alternating.train
    return staged.train if config["options"].get("svm") else training.train


def _define_flags():
    box_training.define_flags(KIND)
    flags.DEFINE_enum("system", "faster_rcnn", list(SYSTEMS), "What is trained.")
    flags.DEFINE_boolean("alternating", False, "Whether Faster R-CNN is trained in four steps, instead of jointly.")
    flags.DEFINE_enum("proposals", "selective_search", list(METHODS), "Where other systems than faster_rcnn look.")
    flags.DEFINE_integer("max_proposals", MOST_PROPOSALS, "The most proposals of an image.", lower_bound=1)
    flags.DEFINE_string("proposal_dir", None, "Where proposals are kept; default: MODEL_DIR/proposals.")
    flags.DEFINE_enum("roi_pooling", "max", list(ROI_POOLING), "How the features of a region are pooled.")


def _main(arguments):
    cli.no_arguments(arguments)
    options = flags.FLAGS
    _check_system(options)
    default_recipe = functools.partial(
        recipes.default_detection_recipe, system=options.system, alternating=options.alternating
    )
    kind = dataclasses.replace(KIND, default_recipe=default_recipe)
    choices, run, strategy = box_training.choices_by_flags(kind, SYSTEMS[options.system].model.OPTIONS)
    proposals = None
    if options.system != "faster_rcnn":
        folder = os.path.abspath(options.proposal_dir or run.path / "proposals")
        proposals = {"folder": folder, "method": options.proposals, "limit": options.max_proposals}
        choices["dataset"] = propose_by(choices["dataset"], **proposals)
    config = configure(
        **choices,
        system=options.system,
        proposals=proposals,
        alternating=options.alternating,
        roi_pooling=options.roi_pooling,
    )
    config["jit_compile"] = options.jit_compile  # XLA has random numbers of its own.
    training.train_by_flags(Detection(config, choices["dataset"]), run, strategy, procedure(config))


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
