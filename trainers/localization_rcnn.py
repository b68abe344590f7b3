"""The second stage of ImageNet localization (ResNet, arXiv 1512.03385, appendix C): the task, and its binary.

An R-CNN classifies and corrects the regions that a localizer finds for the image's class. It learns from those of the
true class, and is tested on those of each class that is asked for.

python -m trainers.localization_rcnn --localizer_dir=/tmp/localizer --backbone=resnet --block_counts=1,1,1 \
    --filters=16,32,64 --dataset=one_digit_scenes --model_dir=/tmp/second_stage
"""

import dataclasses
import os

import numpy as np
import tensorflow as tf
from absl import flags

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.detection import RCNNOptions, boxes
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
        regions, exist = self._localizer[1].propose({**inputs, "classes": classes})
        count, most = regions.shape[1:3]
        scores, deltas = model.score(
            model.features(inputs), tf.reshape(regions, [-1, count * most, 4]), inputs["image_shapes"]
        )
        of_class = tf.repeat(tf.maximum(classes, 0), most, axis=1)  # (B, C * N)
        scores, deltas = (tf.gather(values, of_class, axis=2, batch_dims=2) for values in (scores, deltas))
        weights = [1 / std for std in self.config["options"]["delta_stds"]]
        corrected = boxes.decode(tf.reshape(deltas, [-1, count, most, 4]), regions, weights)
        scores = tf.where(exist, tf.reshape(scores, [-1, count, most]), 0.0)
        best = tf.argmax(scores, axis=2)
        found = tf.gather(corrected, best, axis=2, batch_dims=2)
        return boxes.clip(found, inputs["image_shapes"]), tf.reduce_max(scores, axis=2)


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
