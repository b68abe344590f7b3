"""The second stage of ImageNet localization (ResNet, arXiv 1512.03385, appendix C): the task, and its binary.

An R-CNN classifies and corrects the regions that a localizer finds for the image's class. It learns from those of the
true class, and is tested on those of each class that is asked for.

python -m trainers.localization_rcnn --localizer_dir=/tmp/localizer --backbone=resnet --block_counts=1,1,1 \
    --filters=16,32,64 --dataset=one_digit_scenes --model_dir=/tmp/second_stage
"""

import dataclasses
import os

import numpy as np
from absl import flags

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.detection import RCNNOptions
from keras_resnets.detection.localization import two_stage_guesses
from keras_resnets.detection.resizing import Resizing
from trainers import box_training, cli, recipes, training
from trainers.checkpoints import trained_model
from trainers.data.dataset import title
from trainers.data.proposed import with_proposals
from trainers.localization import SIDES, Localization, class_proposals, image_class
from trainers.run import Run

KIND = box_training.Kind(
    task="localization_rcnn",
    options=(RCNNOptions,),
    recipes=recipes.LOCALIZATION_RCNN_RECIPES,
    changed_options=recipes.LOCALIZATION_RCNNS,
    default_recipe=recipes.default_localization_recipe,
    without_flag=("svm", "score_threshold", "detection_iou", "max_detections", "voting_iou", "box_refinement"),
    sides=SIDES,
)


class LocalizationRCNN(Localization):
    """The task of `trainers.loop`: which of a localizer's regions is the object of a class, and where is its border?

    Args:
        config: a run's configuration, as `configure` makes it.
        dataset: a `DetectionDataset` with the configuration's labels, or None.

    Raises:
        ArgumentError: if the localizer's run has other classes or sizes of images, or is not complete.
    """

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        if dataset is not None:
            self._localizer = self._restored_localizer(Run(config["localizer_dir"]))
            train = with_proposals(dataset.train, self._proposals_of_true_classes)
            self.dataset = dataclasses.replace(dataset, train=train)

    def _restored_localizer(self, run):
        """Returns the localizer's task and model."""
        if not run.exists():
            raise ArgumentError(f"--localizer_dir={run.path} holds no run: train one there with trainers.localization.")
        config = run.config()
        if config["task"] != "localization" or config["labels"] != self.config["labels"]:
            raise ArgumentError(
                f"--localizer_dir={run.path} must be a run of trainers.localization with the same classes."
            )
        if Resizing(**config["resizing"]) != self.resizing:
            raise ArgumentError(
                f"--localizer_dir={run.path} has other image sizes: pass its --short_side, --long_side and --canvas."
            )
        if run.results() is None:
            raise ArgumentError(f"--localizer_dir={run.path} is not complete: give the command that trains it again.")
        task = Localization(config, self.dataset)
        return task, trained_model(task, run)

    def _proposals_of_true_classes(self):
        """Returns the localizer's proposals of each training image's class: a list of (n, 4) float32."""
        task, model = self._localizer
        split, found = task.dataset.train, {}
        keys = split.keys(None).map(lambda key: (key["index"], image_class(split.load(key))))
        classes = np.full((split.size, 1), -1, np.int32)
        for index, label in keys.as_numpy_iterator():
            classes[index] = label
        for index, regions, exist in class_proposals(task, model, split, classes):
            found[index] = regions[0][exist[0]]
        return [found[index] for index in range(split.size)]

    @property
    def name(self):
        """What a file is called that is made from the model."""
        return "localization_rcnn"

    @property
    def title(self):
        """Heading of pictures and figures."""
        return f"Second stage of localization ({self.config['backbone']}) on {title(self.config['dataset'])}"

    def make_model(self, *arguments, **options):
        return keras_resnets.RCNN(*arguments, **options)

    def guesses(self, model, inputs, classes):
        """Returns the likeliest region of each class, corrected: boxes (B, C, 4), and their scores (B, C)."""
        found = two_stage_guesses(self._localizer[1], model, {**inputs, "classes": classes})
        return found["boxes"], found["scores"]

    def build_for_export(self):
        """Returns a new model for `export`, which needs the localizer's run, too."""
        self._localizer = self._restored_localizer(Run(self.config["localizer_dir"]))
        return self.build_model()

    def write_export(self, model, *arguments, **settings):
        """Writes a model of `build_for_export` and its localizer as one: see `export_localizer`."""
        return super().write_export(self._localizer[1], *arguments, second_stage=model, **settings)


def configure(*arguments, localizer_dir, **choices):
    """Makes the configuration of a run of `LocalizationRCNN`.

    Args:
        *arguments, **choices: those of `trainers.box_training.box_config` after the first two.
        localizer_dir: folder of the localizer's run.

    Raises:
        ArgumentError: for choices that do not fit together.
    """
    if (choices.get("options") or {}).get("svm"):
        raise ArgumentError("svm=True is for trainers.detection: the second stage has no SVMs, leave it out.")
    config = box_training.box_config(KIND, RCNNOptions, *arguments, **choices)
    return {**config, "localizer_dir": os.path.abspath(localizer_dir)}


def _define_flags():
    box_training.define_flags(KIND)
    flags.DEFINE_string("localizer_dir", None, "Folder of the run of trainers.localization.", required=True)


def _main(arguments):
    cli.no_arguments(arguments)
    options = flags.FLAGS
    choices, run, strategy = box_training.choices_by_flags(KIND, RCNNOptions)
    config = configure(localizer_dir=options.localizer_dir, **choices)
    config["jit_compile"] = options.jit_compile
    training.train_by_flags(LocalizationRCNN(config, choices["dataset"]), run, strategy)


def run():
    """Entry point of the command."""
    cli.run(_main, _define_flags)


if __name__ == "__main__":
    run()
