"""Trains an object detector: R-CNN, SPPnet, Fast R-CNN, Faster R-CNN or Mask R-CNN.

python -m trainers.detection --backbone=resnet --filters=32,64,128,256 --dataset=digit_scenes --model_dir=/tmp/scenes
python -m trainers.detection --detector=faster_rcnn_resnet50_fpn_v2 --init_weights=coco --freeze=stem,conv2 \
    --dataset=voc:VOCdevkit --epochs=10 --model_dir=/tmp/voc
"""

import dataclasses
import functools
import os

from absl import flags

from keras_resnets.detection import registry
from keras_resnets.detection.options import ROI_POOLING
from keras_resnets.errors import ArgumentError
from trainers.data.proposals.methods import METHODS
from trainers.flags import command, detection
from trainers.flags.train import check_for_stages, train_from_flags
from trainers.recipes.detection import default_recipe
from trainers.tasks.specs import DETECTION, MOST_PROPOSALS, SYSTEMS, systems_of_detectors


def _define_flags():
    detection.define_flags(DETECTION)
    flags.DEFINE_enum("system", "faster_rcnn", list(SYSTEMS), "The kind of detector.")
    flags.DEFINE_enum(
        "detector",
        None,
        list(systems_of_detectors()),
        "A published detector, with its system, backbone, options and image size; --init_weights=coco has its weights.",
    )
    command.define_frozen_batch_norm_epsilon("--init_weights")
    flags.DEFINE_boolean("alternating", False, "Whether Faster R-CNN is trained in four steps, instead of jointly.")
    flags.DEFINE_enum(
        "proposals", "selective_search", list(METHODS), "Method of region proposals, for systems but Faster R-CNN."
    )
    flags.DEFINE_integer("max_proposals", MOST_PROPOSALS, "Largest number of proposals of an image.", lower_bound=1)
    flags.DEFINE_string("proposal_dir", None, "Folder of proposals, found once; default: MODEL_DIR/proposals.")
    flags.DEFINE_boolean(
        "validation_losses", False, "Whether evaluations measure the losses as well, for which they take longer."
    )
    flags.DEFINE_enum(
        "roi_pooling",
        None,
        list(ROI_POOLING),
        "How the features of a region are pooled; default: align from a pyramid, else max.",
    )


def _check():
    options = flags.FLAGS
    _take_detector()
    command.check_frozen_batch_norm_epsilon()
    system = options.system
    unused = ["proposals", "max_proposals", "proposal_dir"] if SYSTEMS[system].finds_regions else []
    unused += [] if system == "faster_rcnn" else ["alternating"]
    for name in unused + ([] if SYSTEMS[system].roi_pooling else ["roi_pooling"]):
        if options[name].present:
            raise ArgumentError(f"--{name} has no effect with --system={system}: leave it out.")
    if system == "spp_net" and options.init_weights is None:
        raise ArgumentError(
            "--system=spp_net does not train the convolutions: pass --init_weights, of a classification net."
        )
    chosen = detection.check(_spec(), SYSTEMS[system].options, options.detector, SYSTEMS[system].finds_masks)
    if options.alternating or getattr(chosen, "svm", False):
        stages_flag = "--alternating" if options.alternating else f"--system={system}"
        check_for_stages(stages_flag)
        if options.validation_losses:
            raise ArgumentError(f"--validation_losses works without {stages_flag}: leave one of them out.")


def _take_detector():
    """Makes the system and the backbone of --detector the defaults of their flags."""
    options, detector = flags.FLAGS, flags.FLAGS.detector
    if detector is None:
        if options.init_weights == registry.COCO:
            known = " or ".join(systems_of_detectors())
            raise ArgumentError(f"--init_weights={registry.COCO} is for --detector: pass that as well, {known}.")
        return
    for name, value in (("system", systems_of_detectors()[detector]), ("backbone", registry.find(detector).backbone)):
        if options[name].present and options[name].value != value:
            raise ArgumentError(
                f"--{name}={options[name].value} does not fit --detector={detector}, whose {name} is {value}: leave "
                "one of them out."
            )
        options.set_default(name, value)


def _spec():
    """Returns the task, with the default recipe of the system."""
    system, alternating = flags.FLAGS.system, flags.FLAGS.alternating
    recipe = functools.partial(default_recipe, system=system, alternating=alternating)
    return dataclasses.replace(DETECTION, default_recipe=recipe)


def _main():
    from trainers.data.proposals.with_proposals import propose_by
    from trainers.tasks.detection import Detection, configure

    options = flags.FLAGS
    system = SYSTEMS[options.system]
    choices, run, strategy = detection.choices_from_flags(_spec(), options.detector, system.finds_masks)
    proposals = None
    if not system.finds_regions:
        folder = os.path.abspath(options.proposal_dir or run.path / "proposals")
        proposals = {"folder": folder, "method": options.proposals, "limit": options.max_proposals}
        choices = dataclasses.replace(choices, dataset=propose_by(choices.dataset, **proposals))
    config = configure(
        choices,
        system=options.system,
        proposals=proposals,
        alternating=options.alternating,
        roi_pooling=options.roi_pooling,
        validation_losses=options.validation_losses,
        frozen_batch_norm_epsilon=options.frozen_batch_norm_epsilon,
    )
    train_from_flags(Detection(config, choices.dataset), run, strategy)


def run():
    """Entry point of the command."""
    command.run(_main, _define_flags, _check)


if __name__ == "__main__":
    run()
