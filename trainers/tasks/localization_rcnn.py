"""The task of the second stage of localization: R-CNN on a localizer's proposals."""

import dataclasses
import functools
import os

import numpy as np

import keras_resnets
from keras_resnets.detection import RCNNOptions
from keras_resnets.detection.localizer import Localizer, two_stage_guesses
from keras_resnets.detection.resizing import Resizing
from keras_resnets.errors import ArgumentError
from trainers.data.proposals.with_proposals import with_proposals
from trainers.data.registry import title
from trainers.engine.checkpoints import trained_model
from trainers.engine.run_folder import RunFolder
from trainers.tasks import specs
from trainers.tasks.detection_config import BoxChoices, box_config
from trainers.tasks.localization import Localization, class_proposals, image_class


class LocalizationRCNN(Localization):
    """The regions of a localizer for the image's class: the task classifies and corrects them.

    Args:
        config: a run's configuration, as `configure` makes it.
        dataset: a `DetectionDataset` with the configuration's labels, or None.

    Raises:
        ArgumentError: if the localizer's run has other classes or sizes of images, or is not complete.
    """

    def __init__(self, config, dataset=None):
        super().__init__(config, dataset)
        if dataset is not None:
            _ = self._localizer  # Not later, in a strategy's scope or a graph.
            train = with_proposals(dataset.train, self._proposals_of_true_classes)
            self.dataset = dataclasses.replace(dataset, train=train)

    @functools.cached_property
    def _localizer(self) -> tuple[Localization, Localizer]:
        """The localizer's task, without proposals in its data set, and its trained model."""
        run = RunFolder(self.config["localizer_dir"])
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
        return "localization_rcnn"

    @property
    def title(self):
        return f"Second stage of localization ({self.config['backbone']}) on {title(self.config['dataset'])}"

    def make_model(self, *arguments, **options):
        return keras_resnets.RCNN(*arguments, **options)

    def guesses(self, model, inputs, classes):
        """Returns the corrected region with the highest score of each class: boxes (B, C, 4), and scores (B, C)."""
        found = two_stage_guesses(self._localizer[1], model, {**inputs, "classes": classes})
        return found["boxes"], found["scores"]

    def build_for_export(self):
        """Returns a new model for `export`. The localizer has its precision."""
        _ = self._localizer
        return self.build_model()

    def export(self, model, base, version, **settings):
        """Writes a net of `build_for_export` and its localizer as one: see `export_localizer`."""
        return super().export(self._localizer[1], base, version, second_stage=model, **settings)


def configure(choices: BoxChoices, localizer_dir: str) -> dict:
    """Makes the configuration of a run of `LocalizationRCNN`.

    Args:
        choices: the choices that all runs with boxes share.
        localizer_dir: folder of the localizer's run.

    Returns:
        A dict that JSON can hold.

    Raises:
        ArgumentError: for choices that do not fit together.
    """
    if choices.options.get("svm"):
        raise ArgumentError("svm=True is for trainers.detection: the second stage has no SVMs, leave it out.")
    config = box_config(specs.LOCALIZATION_RCNN, RCNNOptions, choices)
    return {**config, "localizer_dir": os.path.abspath(localizer_dir)}
