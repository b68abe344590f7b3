"""The task of localization: one box for each given class."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from keras_resnets.detection import LocalizerOptions
from keras_resnets.detection.localizer import Localizer
from keras_resnets.detection.resizing import to_original
from keras_resnets.errors import ArgumentError
from keras_resnets.serving import export_localizer
from trainers.data.pipeline import evaluation_batches
from trainers.data.registry import title
from trainers.data.split import Split
from trainers.engine.checkpoints import trained_model
from trainers.engine.run_folder import RunFolder
from trainers.metrics.localization import MAX_GUESSES, localization_error
from trainers.metrics.percent import percent
from trainers.plots.figures import learning_curve
from trainers.tasks import specs
from trainers.tasks.box_task import ANNOTATION, LARGEST_EVALUATION_BATCH, BoxTask
from trainers.tasks.classification import Classification
from trainers.tasks.detection_config import BoxChoices, box_config


class Localization(BoxTask):
    """Images whose class is given: the task finds the box of its object.

    An image's class is that of its first object that is not ignored; there is usually no other one.

    Args:
        config: a run's configuration, as `configure` makes it.
        dataset: a `DetectionDataset` with the configuration's labels, or None.
    """

    evaluation_flags = ("classifier_dir",)

    def __init__(self, config, dataset=None):
        super().__init__(config, dataset)
        self._classifier = None

    @property
    def name(self):
        return "localizer"

    @property
    def title(self):
        return f"Localizer ({self.config['backbone']}) on {title(self.config['dataset'])}"

    def use_classifier(self, run: RunFolder) -> None:
        """Makes `predictions` also find the objects of a classification net's five likeliest classes.

        Args:
            run: the `RunFolder` of `trainers.classification` with the same labels; its last checkpoint is used.

        Raises:
            ArgumentError: if it is another run, or has no checkpoint.
        """
        config = run.config()
        if config["task"] != "classification" or config["labels"] != self.config["labels"]:
            raise ArgumentError(
                f"--classifier_dir={run.path} must be a run of trainers.classification with the localizer's classes."
            )
        task = Classification(config)
        self._classifier = task, trained_model(task, run)

    def make_model(self, *arguments, **options):
        return Localizer(*arguments, **options)

    def evaluation_example(self, example):
        """Returns the example of `BoxTask` with the image's `classes` (1,) int32, -1 for an image without objects.

        With a classifier, it also has `classified` (S, S, 3) float32, 0..255, the classifier's image.
        """
        given = {"classes": image_class(example)[tf.newaxis]}
        if self._classifier is not None:
            preprocessing = self._classifier[0].preprocessing
            given["classified"] = preprocessing.crop(example["image"].pixels(preprocessing.exact))
        return {**super().evaluation_example(example), **given}

    def predictions(self, model, batch):
        """Returns the box of each image's class, and the annotation, in pixels of the original.

        These are `boxes` (B, 1, 4), `scores` and `classes` (B, 1), and the arrays of the annotation, see
        `trainers.metrics.predictions`. With a classifier, there are also the boxes of its five likeliest classes,
        `predicted_boxes` (B, 5, 4) and `predicted_classes` (B, 5).
        """
        classes = batch["classes"]
        if self._classifier is not None:
            task, classifier = self._classifier
            likeliest = task.likeliest(classifier, batch["classified"], MAX_GUESSES)
            classes = tf.concat([classes, likeliest], axis=1)
        found, scores = self.guesses(model, self.inputs(batch), classes)
        boxes = to_original(found, batch["scales"])
        predicted = {"predicted_boxes": boxes[:, 1:], "predicted_classes": classes[:, 1:]}
        return {
            **{name: batch[name] for name in ANNOTATION},
            **{"boxes": boxes[:, :1], "scores": scores[:, :1], "classes": classes[:, :1]},
            **(predicted if self._classifier is not None else {}),
        }

    def guesses(self, model, inputs, classes):
        """Returns the boxes (B, C, 4) of classes (B, C), and the scores (B, C)."""
        found = model({**inputs, "classes": classes})
        return found["boxes"], found["scores"]

    def metrics(self, predictions):
        """Returns the challenge's error with the image's class given ("GT class" in the paper's table 13).

        The dict has `localization_error` and, with a classifier, `localization_error_predicted`, the error with its
        five likeliest classes. An error is None if there is no object.
        """
        figures = {"localization_error": localization_error(predictions)}
        if "predicted_boxes" in predictions:
            guesses = {name: predictions[f"predicted_{name}"] for name in ("boxes", "classes")}
            figures["localization_error_predicted"] = localization_error({**predictions, **guesses})
        return figures

    def selection_metric(self, metrics):
        """Returns the error with the image's class given."""
        error = metrics["localization_error"]
        return 1.0 if error is None else error

    def draw_learning_curve(self, lines, path):
        """Draws the error with the image's class given over steps."""
        series = [("localization_error", "class given", {"linewidth": 2, "color": "tab:blue"})]
        learning_curve(lines, series, "localization error", self.title, path)

    def evaluate(self, members, classifier_dir=None):
        """See `Task`.

        Args:
            members: see `Task`.
            classifier_dir: a run of trainers.classification for `use_classifier`, or None.
        """
        if classifier_dir is not None:
            self.use_classifier(RunFolder(classifier_dir))
        return super().evaluate(members)

    def summary(self, metrics):
        names = {"localization_error": "class given", "localization_error_predicted": "classes predicted"}
        errors = [f"{percent(metrics[name])} ({label})" for name, label in names.items() if name in metrics]
        return f"localization error {', '.join(errors)}"

    def export(self, model, base, version, **settings):
        """Writes a localizer, whose classes are given: see `export_localizer`."""
        return export_localizer(model, self.resizing, self.config["labels"], base, version, **settings)


def image_class(example: Mapping[str, Any]) -> tf.Tensor:
    """Returns the class, int32, of a loaded example's first object that is not ignored, or -1 if there is none."""
    classes = tf.boolean_mask(example["classes"], ~example["ignored"])
    return tf.concat([classes, [-1]], axis=0)[0]


def class_proposals(
    task: Localization, model: Localizer, split: Split, classes: np.ndarray
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Finds the proposals of given classes in every image of a split, the input of the paper's second stage.

    Args:
        task: the task.
        model: its net, trained.
        split: of a `DetectionDataset` whose images have no more boxes than the task's.
        classes: (split.size, C) int32, by the examples' index; -1 for padding.

    Yields:
        For each example, in the order of the split: its index; (C, N, 4) float32, the N = `post_nms_topk` best boxes of
        each class in pixels of the original, best first, padded with zeros; and (C, N) bool, whether there is a box.
    """
    classes = tf.constant(classes, tf.int32)

    @tf.function
    def found(batch):
        boxes, exist = model.propose({**task.inputs(batch), "classes": tf.gather(classes, batch["index"])})
        original = to_original(tf.reshape(boxes, [len(boxes), -1, 4]), batch["scales"])
        return tf.reshape(original, boxes.shape), exist

    for batch in evaluation_batches(split, task.evaluation_example, batch_size=LARGEST_EVALUATION_BATCH):
        boxes, exist = (array.numpy() for array in found(batch))
        for i in np.flatnonzero(batch["weight"]):
            yield int(batch["index"][i]), boxes[i], exist[i]


def configure(choices: BoxChoices) -> dict:
    """Makes the configuration of a run of `Localization`: see `trainers.tasks.detection_config.box_config`."""
    return box_config(specs.LOCALIZATION, LocalizerOptions, choices)
