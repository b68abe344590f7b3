"""The task of localization: one box for each given class."""

import numpy as np
import tensorflow as tf

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.detection import LocalizerOptions
from keras_resnets.detection.resizing import to_original
from keras_resnets.serving import export_localizer
from trainers.data.pipeline import evaluation_batches
from trainers.data.registry import open_detection_dataset, title
from trainers.engine.checkpoints import trained_model
from trainers.metrics.localization import MOST_GUESSES, localization_error
from trainers.plots.figures import learning_curve
from trainers.recipes import localization
from trainers.tasks import detection_config
from trainers.tasks.classification import Classification
from trainers.tasks.detection import ANNOTATION, LARGEST_EVALUATION_BATCH, Detection, percent

# px: training cuts 224 out of it (ResNet, arXiv 1512.03385, section 3.4); the long side is our choice.
SIDES = (256, 448)


SPEC = detection_config.BoxTaskSpec(
    task="localization",
    options=(LocalizerOptions,),
    recipes=localization.LOCALIZATION_RECIPES,
    changed_options=localization.LOCALIZERS,
    default_recipe=localization.default_localization_recipe,
    sides=SIDES,
)


class Localization(Detection):
    """The task of `trainers.engine.loop` for images whose class is known: where is its object?

    An image's class is that of its first object that is not ignored; there is usually no other one.

    Args:
        config: a run's configuration, as `configure` makes it.
        dataset: a `DetectionDataset` with the configuration's labels.
    """

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        self._classifier = None

    @staticmethod
    def open_dataset(config, name, data_dir, download):
        """Opens a run's data set, or another one, for an evaluation: see `open_detection_dataset`."""
        return open_detection_dataset(name, data_dir, download)

    @property
    def name(self):
        """What a file is called that is made from the model."""
        return "localizer"

    @property
    def title(self):
        """Heading of pictures and figures."""
        return f"Localizer ({self.config['backbone']}) on {title(self.config['dataset'])}"

    def use_classifier(self, run):
        """Lets `predictions` guess the classes, too: the five likeliest of a classification net.

        Args:
            run: a `RunFolder` of `trainers.classification` with the same labels, whose last checkpoint is taken.

        Raises:
            ArgumentError: if it is no such run, or has no checkpoint.
        """
        config = run.config()
        if config["task"] != "classification" or config["labels"] != self.config["labels"]:
            raise ArgumentError(
                f"--classifier_dir={run.path} must be a run of trainers.classification with the localizer's classes."
            )
        task = Classification(config, None)
        self._classifier = task, trained_model(task, run)

    def make_model(self, *arguments, **options):
        return keras_resnets.Localizer(*arguments, **options)

    def evaluation_example(self, example):
        """Returns that of `Detection`, the image's `classes` (1,) int32, and with a classifier its `classified` image.

        `classes` is -1 for an image without objects; `classified` is (S, S, 3) float32, 0..255.
        """
        given = {"classes": image_class(example)[tf.newaxis]}
        if self._classifier is not None:
            given["classified"] = self._classifier[0].preprocessing.crop(example["image"].pixels())
        return {**super().evaluation_example(example), **given}

    def predictions(self, model, batch):
        """Returns the guess for the image's class and annotation of each image, in pixels of the original.

        `boxes` (B, 1, 4), `scores` and `classes` (B, 1), and with a classifier the guesses for its five likeliest
        classes, `predicted_boxes` (B, 5, 4) and `predicted_classes` (B, 5). Other arrays: see `trainers.metrics`.
        """
        classes = batch["classes"]
        if self._classifier is not None:
            task, classifier = self._classifier
            likeliest = task.likeliest(classifier, batch["classified"], MOST_GUESSES)
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
        """Returns the boxes (B, C, 4) of classes (B, C), and their scores (B, C)."""
        found = model({**inputs, "classes": classes})
        return found["boxes"], found["scores"]

    def metrics(self, predictions):
        """Returns the challenge's error with the image's class given ("GT class" in the paper's table 13).

        A dict of `localization_error` and, with a classifier, `localization_error_predicted`, that with its five
        likeliest classes; None where there is no object.
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

    def report(self, predictions, metrics, run):
        """Writes nothing: an evaluation's figures say it all."""

    def summary(self, metrics):
        """Returns an evaluation in words."""
        names = {"localization_error": "class given", "localization_error_predicted": "classes predicted"}
        errors = [f"{percent(metrics[name])} ({label})" for name, label in names.items() if name in metrics]
        return f"localization error {', '.join(errors)}"

    def write_export(self, model, *arguments, svd_ranks=None, **settings):
        """Writes a model, whose classes are given: see `export_localizer`."""
        if svd_ranks:
            raise ArgumentError("--svd_ranks is for runs of trainers.detection: leave it out.")
        return export_localizer(model, self.resizing, self.config["labels"], *arguments, **settings)


def image_class(example):
    """Returns the class, int32, of a loaded example's first object that is not ignored, or -1 if there is none."""
    classes = tf.boolean_mask(example["classes"], ~example["ignored"])
    return tf.concat([classes, [-1]], axis=0)[0]


def class_proposals(task, model, split, classes):
    """Finds the proposals of given classes in every image of a split: what the paper's second stage begins with.

    Args:
        task: a `Localization`.
        model: its `keras_resnets.Localizer`, trained.
        split: a `Split` of a `DetectionDataset` whose images have no more boxes than the task's.
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


def configure(*arguments, **choices):
    """Makes the configuration of a run of `Localization`: see `trainers.tasks.detection_config.box_config`."""
    return detection_config.box_config(SPEC, LocalizerOptions, *arguments, **choices)
