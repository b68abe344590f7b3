"""The task of image classification."""

import dataclasses
import functools
import os
import pathlib
from collections.abc import Mapping

import keras
import tensorflow as tf

from keras_resnets.errors import ArgumentError
from keras_resnets.models import registry
from keras_resnets.models.auxiliary_head import without_auxiliary_head
from keras_resnets.ops.resize import rescale
from keras_resnets.preprocessing import Preprocessing
from keras_resnets.serving import export_classifier, export_portable
from keras_resnets.serving.saved_model import publish
from keras_resnets.weights import load_weights
from keras_resnets.weights.family import CLASSIFIER
from keras_resnets.weights.published import evaluation_of
from trainers.data.augmentation.classification import AUGMENTATIONS
from trainers.data.augmentation.mixup_cutmix import mix
from trainers.data.class_balance import class_weights as weights_of_classes
from trainers.data.pipeline import evaluation_batches, training_batches
from trainers.data.proportions import in_proportion
from trainers.data.registry import open_dataset, title
from trainers.data.split_names import split_of_run
from trainers.data.tf_data_options import AHEAD, CORES
from trainers.engine.task import Task
from trainers.metrics.classification import by_class, ranked, wrong_answers
from trainers.metrics.report import worst_classes, write_recalls
from trainers.plots import figures
from trainers.recipes.classification import RECIPES
from trainers.runtime.choices import SAMPLINGS, WEIGHT_FILE, WEIGHTS
from trainers.runtime.failures import naming
from trainers.tasks import multi_view
from trainers.tasks.classification_net import builder_settings, net_from_config
from trainers.tasks.configuration import Choices, common_config
from trainers.tasks.nets import GENERAL, SIZE
from trainers.tasks.protocols import DEFAULT_PROTOCOL, PROTOCOLS
from trainers.tasks.starting_weights import keeping_other_classifiers, normalization_of_run, weight_file

LARGEST_EVALUATION_BATCH = 250  # images on one replica
LARGEST_MATRIX = 50  # classes of a confusion matrix that is drawn


class Classification(Task):
    """Images with one label each.

    Args:
        config: a run's configuration, as `configure` makes it.
        dataset: an `ImageDataset` with the configuration's labels, or None.
    """

    evaluation_flags = ("ensemble", "protocol", "crop_size", "short_side", "search")
    export_flags = ("format", "stages")
    member_form = "DIR[:PROTOCOL]"

    def __init__(self, config, dataset=None):
        super().__init__(config, dataset)
        self.preprocessing = Preprocessing(**config["preprocessing"])

    @staticmethod
    def open_dataset(config, name, data_dir, download):
        """See `Task`. Of the run's own data set, the split that it was measured with is the test split."""
        is_own = name == config["dataset"]
        holdout = config["holdout"] if is_own else None
        measured = split_of_run(config) if is_own else None
        return open_dataset(name, data_dir, download, holdout, evaluation=True, measured=measured)

    @property
    def name(self):
        return self.config["model"]

    @property
    def title(self):
        return f"{self.config['model']} on {title(self.config['dataset'])}"

    def build_model(self, classifier_activation=None):
        """Returns the net of `net_from_config`."""
        return net_from_config(self.config, classifier_activation)

    def initialize(self, model):
        """Loads the weights of --init_weights. A classifier of other classes keeps its random weights.

        Files do not name their classes: the classifier of one with as many classes is kept, which is said.
        """
        weights = self.config["init_weights"]
        if weights is None:
            return None
        with naming("--init_weights"):
            width = builder_settings(self.config).get("width", 1.0)
            with (
                weight_file(weights, self.config["model"], {"width": width}) as path,
                keeping_other_classifiers(model, weights, self.config["labels"]) as kept,
            ):
                left = dict.fromkeys([*kept, *load_weights(model, path, new_classifier=True)])
        notes = []
        if left:
            notes.append(f"{', '.join(left)} is initialized at random: the weights have none for these classes")
        if CLASSIFIER not in left and os.path.isfile(weights):
            count = len(self.config["labels"])
            of = f"the classifier of {weights}"
            notes.append(f"{of} is kept: it has as many classes, {count}, and the file names none")
        return "\n".join(f"--init_weights: {note}" for note in notes) or None

    def training_batches(self, first_step, context):
        """Returns batches of `image` (B, size, size, 3) uint8, augmented, and `label` (B,) int32.

        With mixing, also `other_label` (B,) int32 and `share` (B,) float32: see `mixup_cutmix`. With a second
        side, also `resolution` (B,) int32: see `resolutions`.
        """
        recipe, augment = self.recipe, AUGMENTATIONS[self.recipe.augmentation]

        def transform(example, seed):
            image = augment(example["image"], self.preprocessing, seed)
            # A quarter of the bytes of float32 to batch, and to copy to the device.
            return {"image": tf.cast(tf.round(image), tf.uint8), "label": example["label"], "seed": seed}

        def finish(batch):
            # Not the first image's seed, which its augmentation has used.
            seed = tf.random.fold_in(batch.pop("seed")[0], 1)
            return batch if recipe.mixup_alpha is None else mix(batch, seed, recipe.mixup_alpha, recipe.cutmix_alpha)

        batches = training_batches(
            self.dataset.train,
            transform,
            batch_size=recipe.batch_size,
            first_step=first_step,
            seed=self.config["seed"],
            context=context,
        )
        batches = batches.map(finish, num_parallel_calls=CORES)
        if recipe.second_side is not None:
            batches = batches.enumerate().map(functools.partial(self._with_resolution, first_step, context))
        return batches.prefetch(AHEAD)

    def _with_resolution(self, first_step, context, i, batch):
        """Returns the i-th batch of a machine with its `resolution`, by the recipe's `side_schedule`."""
        replicas_here = context.num_replicas_in_sync // context.num_input_pipelines
        step = first_step + i // replicas_here
        if self.recipe.side_schedule == "progressive":
            has_second_side = step < self.config["steps"] // 2
        else:
            has_second_side = step * self.recipe.batch_size // self.dataset.train.size % 2 == 1
        return {**batch, "resolution": tf.fill([batch["label"].shape[0]], tf.cast(has_second_side, tf.int32))}

    def resolutions(self):
        """Returns the batch as it is and, with a second side, the batch with images of that side."""
        return [lambda batch: batch, *([] if self.recipe.second_side is None else [self._at_second_side])]

    def _at_second_side(self, batch):
        images = tf.cast(batch["image"], tf.float32)
        return {**batch, "image": rescale(images, self.recipe.second_side / self.preprocessing.size)}

    def evaluation_batches(self, context=None):
        """Returns batches of `image` (B, size, size, 3) float32, 0..255, and `label` (B,) int32: see `Task`."""

        def transform(example):
            image = example["image"].pixels(self.preprocessing.exact)
            return {"image": self.preprocessing.crop(image), "label": example["label"]}

        return evaluation_batches(
            self.dataset.test, transform, batch_size=self.evaluation_batch_size(context), context=context
        )

    def evaluation_batch_size(self, context=None):
        """Returns the number of images in an evaluation batch of one replica.

        An evaluation keeps no activations: memory for a step is enough for four times the images.
        """
        replicas = context.num_replicas_in_sync if context is not None else 1
        return min(LARGEST_EVALUATION_BATCH, 4 * (self.recipe.batch_size // replicas))

    def losses(self, model, batch, training):
        """Returns the mean cross entropy, and the top-1 error of the batch as `training_error`.

        With an auxiliary head, the losses also have `auxiliary`, its cross entropy times `auxiliary_weight`.
        """
        logits, *auxiliary = self._outputs(model, batch["image"], training)
        losses = {"cross_entropy": self._cross_entropy(batch, logits)}
        if auxiliary:
            losses["auxiliary"] = self.config["auxiliary_weight"] * self._cross_entropy(batch, *auxiliary)
        right = keras.metrics.sparse_categorical_accuracy(batch["label"], logits)
        return losses, {"training_error": 1 - tf.reduce_mean(right)}

    def predictions(self, model, batch):
        """Returns `label`, `predicted` and `rank`: see `ranked`."""
        return ranked(batch["label"], self._logits(model, batch["image"], training=False))

    def likeliest(self, model, images, count):
        """Returns the classes with the highest logits, best first.

        Args:
            model: a net of this task.
            images: (B, size, size, 3), 0..255.
            count: how many; fewer if the net has fewer classes.

        Returns:
            (B, count) int32.
        """
        logits = self._logits(model, images, training=False)
        return tf.math.top_k(logits, min(count, logits.shape[1])).indices

    def metrics(self, predictions):
        """Returns `top1_error` and `top5_error`: shares of images whose label is not among the best 1 and 5.

        Up to five classes have no top-5 error.
        """
        ranks = predictions["rank"]
        wrong = wrong_answers(ranks, len(self.config["labels"]))
        return {f"{name}_error": count / len(ranks) for name, count in wrong.items()}

    def selection_metric(self, metrics):
        """Returns the top-1 error."""
        return metrics["top1_error"]

    def draw_learning_curve(self, lines, path):
        """Draws the training error (thin, dashed) and the test error (bold), as the figures of the ResNet paper do."""
        training_error = {"linewidth": 1, "linestyle": "--", "color": "tab:gray"}
        test_error = {"linewidth": 2, "color": "tab:blue"}
        series = [("training_error", "training", training_error), ("top1_error", "test", test_error)]
        figures.learning_curve(lines, series, "error", self.title, path)

    def report(self, predictions, metrics, run):
        """Writes `per_class.csv`, and draws the confusion matrix of up to 50 classes."""
        labels = self.config["labels"]
        found = by_class(predictions["label"], predictions["predicted"], len(labels))
        write_recalls(run.path / "per_class.csv", labels, found)
        if len(labels) <= LARGEST_MATRIX:
            counts = tf.math.confusion_matrix(predictions["label"], predictions["predicted"], len(labels)).numpy()
            heading = f"{self.title}: {metrics['top1_error']:.2%} wrong"
            figures.confusion_matrix(counts, labels, heading, run.path / "confusion_matrix.png")
        return {"worst_classes": worst_classes(labels, "recall", found.recall, "support", found.support)}

    def summary(self, metrics):
        errors = {k: metrics.get(f"top{k}_error") for k in (1, 5)}
        return ", ".join(f"top-{k} error {error:.2%}" for k, error in errors.items() if error is not None)

    def table(self, results):
        """Returns the errors of the members and the ensemble, with intervals."""
        return multi_view.table(results)

    @classmethod
    def parse_member(cls, text):
        """See `Task`. A member may have a `protocol` of its own, a name of `PROTOCOLS`."""
        path, separator, protocol = text.rpartition(":")
        if not separator or pathlib.Path(text).is_dir():
            return text, {}
        if protocol not in PROTOCOLS:
            raise ArgumentError(f"--ensemble={text}: protocol {protocol!r} is unknown: use {', '.join(PROTOCOLS)}.")
        return path, {"protocol": protocol}

    @classmethod
    def ensemble_problem(cls, config, member, dataset_name):
        """See `Task`. A member that was trained on the images that the run held out is no member."""
        held_out = config["holdout"]
        if held_out and member["dataset"] == dataset_name == config["dataset"] and member["holdout"] != held_out:
            return (
                "it was trained on images that the run held out to be measured with: train it with "
                f"--holdout={held_out}, or leave it out"
            )
        return None

    def evaluate(self, members, protocol=DEFAULT_PROTOCOL, crop_size=None, short_side=None, search=False):
        """Evaluates nets by protocols; the probabilities of several are averaged.

        Args:
            members: see `Task`.
            protocol: a name of `trainers.tasks.protocols.PROTOCOLS`, for all members without their own.
            crop_size, short_side: of the first member: see `trainers.tasks.multi_view.MultiViewNet`.
            search: whether to take only the members that `trainers.tasks.multi_view.greedy_search` finds.

        Returns:
            Predictions and figures of `trainers.tasks.multi_view.evaluate_ensemble`, and `protocol`.
        """
        sides = [(crop_size, short_side), *[(None, None)] * (len(members) - 1)]
        nets = [
            multi_view.MultiViewNet(
                one.path, one.task, one.model, one.step, one.settings.get("protocol", protocol), *its_sides
            )
            for one, its_sides in zip(members, sides)
        ]
        predictions, figures = multi_view.evaluate_ensemble(nets, self.dataset, search)
        return predictions, {"protocol": protocol, **figures}

    def build_for_export(self):
        """Returns a new net of probabilities."""
        return self.build_model(classifier_activation="softmax")

    def export(self, model, base, version, format=None, **settings):
        """Writes a net without its auxiliary head: see `export_classifier`, and `export_portable` for a `format`.

        The format `WEIGHTS` is one file, `model.weights.h5`, for the builder's `weights=`.
        """
        net = without_auxiliary_head(model)
        if format == WEIGHTS:
            return publish(base, version, lambda path: net.save_weights(path / WEIGHT_FILE))
        arguments = net, self.preprocessing, self.config["labels"], base, version
        if format is not None:
            return export_portable(*arguments, format=format)
        return export_classifier(*arguments, **settings)

    def _cross_entropy(self, batch, logits):
        """Returns the mean cross entropy of a batch, times the class weights; mixed images have two labels."""
        weights = self.config.get("class_weights")  # The configurations of older runs lack them.

        def of(labels):
            targets, smoothing = tf.one_hot(labels, logits.shape[-1]), self.recipe.label_smoothing
            entropies = keras.losses.categorical_crossentropy(
                targets, logits, from_logits=True, label_smoothing=smoothing
            )
            if weights is None:
                return entropies
            return entropies * tf.gather(tf.constant([weights[label] for label in self.config["labels"]]), labels)

        if "share" not in batch:
            return tf.reduce_mean(of(batch["label"]))
        return tf.reduce_mean(batch["share"] * of(batch["label"]) + (1 - batch["share"]) * of(batch["other_label"]))

    def _logits(self, model, images, training):
        return self._outputs(model, images, training)[0]

    def _outputs(self, model, images, training):
        """Returns a list of the classifier's logits and, if there is one, the auxiliary classifier's, float32."""
        outputs = tf.nest.flatten(model(self.preprocessing.normalize(images), training=training))
        return [tf.cast(logits, tf.float32) for logits in outputs]


def configure(
    choices: Choices,
    model: str,
    *,
    arguments: dict | None = None,
    auxiliary_weight: float | None = None,
    image_size: int | None = None,
    holdout: float | None = None,
    class_weights: str | Mapping[str, float] | None = None,
    sampling: str = SAMPLINGS[0],
) -> dict:
    """Makes a run's configuration: everything that is needed to repeat it.

    Args:
        choices: the choices that all runs share, with an `ImageDataset`.
        model: a name of the registry, or of `trainers.tasks.nets.GENERAL`.
        arguments: other arguments of the net's builder, which JSON can hold.
        auxiliary_weight: of an auxiliary classifier's cross entropy in the loss; None or 0 for a net without one.
        image_size: side of the net's square input in pixels; None for that of the data set's images, or that for which
            the weights of --init_weights or the net are.
        holdout: how many training images the data set held out as test split, a number or a share.
        class_weights: see `trainers.data.class_balance.class_weights`; None for a loss without them.
        sampling: how the data set draws the training images of an epoch, one of `trainers.runtime.choices.SAMPLINGS`.

    Returns:
        A dict that JSON can hold.

    Raises:
        ArgumentError: for choices that do not fit together.
    """
    dataset, recipe = choices.dataset, choices.recipe(RECIPES)
    size = image_size or dataset.side or _own_size(model, choices)
    # The papers' proportion of the image's short side to the crop, for images of different sizes.
    short_side = size if dataset.side else in_proportion(size)
    preprocessing = Preprocessing(size, short_side, dataset.mean, dataset.std)
    if choices.init_weights is not None:
        preprocessing = _of_weights(preprocessing, model, choices)
    return {
        "task": "classification",
        "model": model,
        "arguments": {**(arguments or {}), **({"auxiliary_head": True} if auxiliary_weight else {})},
        "auxiliary_weight": auxiliary_weight or None,
        "holdout": holdout,
        "class_weights": None if class_weights is None else weights_of_classes(class_weights, dataset),
        "sampling": sampling,
        "preprocessing": dataclasses.asdict(preprocessing),
        **common_config(choices, recipe),
    }


def _own_size(model, choices):
    """Returns the side of the images, in pixels, for which the weights of --init_weights are, or else the net."""
    weights = choices.init_weights
    if weights is not None and choices.begun is None and not os.path.isdir(weights):
        with naming("--init_weights"):
            evaluation = evaluation_of(model, weights)
        if evaluation is not None and evaluation.size is not None:
            return evaluation.size
    return SIZE if model in GENERAL else registry.find(model).size


def _of_weights(preprocessing, model, choices):
    """Returns the preprocessing that the weights of --init_weights were trained with, of the begun run or the file."""
    if choices.begun is not None and choices.begun["model"] == model:
        return Preprocessing(**choices.begun["preprocessing"])
    of_run = normalization_of_run(choices.init_weights)
    if of_run is not None:
        return dataclasses.replace(preprocessing, **dataclasses.asdict(of_run))
    with naming("--init_weights"):
        return preprocessing.for_weights(model, choices.init_weights)
