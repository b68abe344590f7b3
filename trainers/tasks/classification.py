"""The task of image classification."""

import dataclasses
import functools

import keras
import numpy as np
import tensorflow as tf

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.models import registry
from keras_resnets.models.auxiliary_head import without_auxiliary_head
from keras_resnets.ops.resize import scaled
from keras_resnets.preprocessing import Preprocessing
from keras_resnets.serving import export_classifier, export_portable
from keras_resnets.surgery.graph import batch_normalizations
from keras_resnets.weights import load_weights
from keras_resnets.weights.published import resolve
from trainers.data.augmentation.classification import AUGMENTATIONS
from trainers.data.augmentation.mixup_cutmix import mix
from trainers.data.pipeline import evaluation_batches, training_batches
from trainers.data.registry import open_dataset, title
from trainers.data.split import hold_out
from trainers.data.tf_data_options import AHEAD, CORES
from trainers.metrics.classification import ranked
from trainers.plots import figures
from trainers.recipes.classification import RECIPES
from trainers.recipes.recipe import Recipe, change, get_recipe
from trainers.runtime.failures import naming
from trainers.tasks import configuration, fine_tuning
from trainers.tasks.nets import GENERAL, SIZE, general_builder

LARGEST_EVALUATION_BATCH = 250  # images on one replica


LARGEST_MATRIX = 50  # classes, in the picture


class Classification:
    """The task of `trainers.engine.loop` for images with one label each.

    Args:
        config: a run's configuration, as `configure` makes it.
        dataset: an `ImageDataset` with the configuration's labels.
    """

    def __init__(self, config, dataset):
        self.config = config
        self.dataset = dataset
        self.recipe = Recipe(**config["recipe"])
        self.preprocessing = Preprocessing(**config["preprocessing"])

    @staticmethod
    def open_dataset(config, name, data_dir, download):
        """Opens a run's data set, or another one, for an evaluation: see `open_dataset`."""
        dataset = open_dataset(name, data_dir, download)
        return hold_out(dataset, config["holdout"]) if config["holdout"] and name == config["dataset"] else dataset

    @property
    def name(self):
        """What a file is called that is made from the model."""
        return self.config["model"]

    @property
    def title(self):
        """Heading of pictures and figures."""
        return f"{self.config['model']} on {title(self.config['dataset'])}"

    @property
    def _arguments(self):
        """Other arguments of the net's builder; older runs have none."""
        return self.config.get("arguments", {})

    def build_model(self, classifier_activation=None):
        """Returns a new model; its output is logits (B, classes), unless an activation is given.

        With an auxiliary head, there are two outputs.
        """
        keras.utils.set_random_seed(self.config["seed"])
        size, second_side = self.preprocessing.size, self.recipe.second_side
        side, flag = (size, "--image_size") if second_side is None else (None, "--second_side")
        with naming(flag, about="input_shape"), naming("--auxiliary_weight", about="auxiliary_head"):
            model = _builder(self.config["model"])(
                input_shape=(side, side, 3),
                classes=len(self.config["labels"]),
                classifier_activation=classifier_activation,
                **self._arguments,
            )
        if second_side is not None:
            check_sides("--second_side", model, size, second_side)
        fine_tuning.freeze(model, self.config["freeze"])
        if self.recipe.batch_norm_momentum is not None:
            for layer in batch_normalizations(model):
                layer.momentum = self.recipe.batch_norm_momentum
        return model

    def initialize(self, model):
        """Loads the weights of --init_weights; a classifier of other classes stays as it is.

        Returns:
            A line that says so, or None.
        """
        weights = self.config["init_weights"]
        if weights is None:
            return None
        with naming("--init_weights"):
            width = self._arguments.get("width", 1.0)
            left = load_weights(model, resolve(weights, self.config["model"], width=width), new_classifier=True)
        return f"--init_weights: {', '.join(left)} starts anew: the file has none for these classes" if left else None

    def learning_rate_factors(self, model):
        """Returns the factors of --stage_learning_rates and of biases for each trainable variable, or None."""
        rates = self.config["stage_learning_rates"]
        return fine_tuning.learning_rate_factors(model, rates, self.recipe.bias_learning_rate)

    def training_batches(self, first_step, context):
        """Returns batches of `image` (B, size, size, 3) uint8, augmented, and `label` (B,) int32.

        With mixing, also `other_label` (B,) int32 and `share` (B,) float32: see `mixup_cutmix`. With a second
        side, also `form` (B,) int32: see `forms`.
        """
        recipe, augment = self.recipe, AUGMENTATIONS[self.recipe.augmentation]

        def transform(example, seed):
            return {
                "image": augment(example["image"], self.preprocessing, seed),
                "label": example["label"],
                "seed": seed,
            }

        def finish(batch):
            # Not the first image's own seed, which its augmentation has used.
            seed = tf.random.fold_in(batch.pop("seed")[0], 1)
            if recipe.mixup_alpha is not None:
                batch = mix(batch, seed, recipe.mixup_alpha, recipe.cutmix_alpha)
            # A quarter of the bytes of float32, on their way to the device.
            return {**batch, "image": tf.cast(tf.round(batch["image"]), tf.uint8)}

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
            batches = batches.enumerate().map(functools.partial(self._with_form, first_step, context))
        return batches.prefetch(AHEAD)

    def _with_form(self, first_step, context, i, batch):
        """Returns the i-th batch of a machine with its `form`: that of the epoch in which the step begins."""
        replicas_here = context.num_replicas_in_sync // context.num_input_pipelines
        epoch = (first_step + i // replicas_here) * self.recipe.batch_size // self.dataset.train.size
        return {**batch, "form": tf.fill([batch["label"].shape[0]], tf.cast(epoch % 2, tf.int32))}

    def forms(self):
        """Returns what a batch is in a step: as it is, and, with a second side, with images of that side."""
        return [lambda batch: batch, *([] if self.recipe.second_side is None else [self._in_second_size])]

    def _in_second_size(self, batch):
        images = tf.cast(batch["image"], tf.float32)
        return {**batch, "image": scaled(images, self.recipe.second_side / self.preprocessing.size)}

    def evaluation_batches(self, context=None):
        """Returns batches of `image` (B, size, size, 3) float32, 0..255, `label` (B,) int32 and `weight`."""

        def transform(example):
            return {"image": self.preprocessing.crop(example["image"].pixels()), "label": example["label"]}

        return evaluation_batches(
            self.dataset.test, transform, batch_size=self.evaluation_batch_size(context), context=context
        )

    def evaluation_batch_size(self, context=None):
        """Returns the number of images that one replica evaluates at once.

        An evaluation keeps no activations: what was enough for a step is enough for four times the images.
        """
        replicas = context.num_replicas_in_sync if context is not None else 1
        return min(LARGEST_EVALUATION_BATCH, 4 * (self.recipe.batch_size // replicas))

    def losses(self, model, batch, training):
        """Returns the mean cross entropy, and the share of wrong answers as `training_error`.

        With an auxiliary head, also its cross entropy times `auxiliary_weight`, as `auxiliary`.
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
        """Returns the likeliest classes (B, count) int32, best first, of images (B, size, size, 3), 0..255.

        There are fewer where the net has fewer classes.
        """
        logits = self._logits(model, images, training=False)
        return tf.math.top_k(logits, min(count, logits.shape[1])).indices

    def metrics(self, predictions):
        """Returns `top1_error` and `top5_error`: fractions of images whose label is not among the best 1 and 5."""
        return {f"top{k}_error": float(np.mean(predictions["rank"] >= k)) for k in (1, 5)}

    def selection_metric(self, metrics):
        """Returns the top-1 error."""
        return metrics["top1_error"]

    def pictures(self, predictions):
        """Returns no picture."""
        return {}

    def draw_learning_curve(self, lines, path):
        """Draws training error (thin, dashed) and test error (bold) over steps, as the ResNet paper's figures do."""
        training_error = {"linewidth": 1, "linestyle": "--", "color": "tab:gray"}
        test_error = {"linewidth": 2, "color": "tab:blue"}
        series = [("training_error", "training", training_error), ("top1_error", "test", test_error)]
        figures.learning_curve(lines, series, "error", self.title, path)

    def report(self, predictions, metrics, run):
        """Draws an evaluation into a run's folder: the confusion matrix, of 50 classes at most."""
        labels = self.config["labels"]
        if len(labels) <= LARGEST_MATRIX:
            counts = tf.math.confusion_matrix(predictions["label"], predictions["predicted"], len(labels)).numpy()
            heading = f"{self.title}: {metrics['top1_error']:.2%} wrong"
            figures.confusion_matrix(counts, labels, heading, run.confusion_matrix)

    def summary(self, metrics):
        """Returns an evaluation in words."""
        return f"top-1 error {metrics['top1_error']:.2%}, top-5 error {metrics['top5_error']:.2%}"

    def build_for_export(self):
        """Returns a new model for `export`."""
        return self.build_model(classifier_activation="softmax")

    def export(self, model, base, version, format="saved_model", svd_ranks=None, **settings):
        """Writes a model of `build_for_export`: see `export_classifier`, and `export_portable` for other formats.

        An auxiliary head is left out.
        """
        if svd_ranks:
            raise ArgumentError("--svd_ranks is for detectors: leave it out.")
        arguments = without_auxiliary_head(model), self.preprocessing, self.config["labels"], base, version
        if format != "saved_model":
            return export_portable(*arguments, format=format)
        return export_classifier(*arguments, **settings)

    def _cross_entropy(self, batch, logits):
        """Returns the mean of a batch; of mixed images, with both labels."""

        def of(labels):
            targets, smoothing = tf.one_hot(labels, logits.shape[-1]), self.recipe.label_smoothing
            return keras.losses.categorical_crossentropy(targets, logits, from_logits=True, label_smoothing=smoothing)

        if "share" not in batch:
            return tf.reduce_mean(of(batch["label"]))
        return tf.reduce_mean(batch["share"] * of(batch["label"]) + (1 - batch["share"]) * of(batch["other_label"]))

    def _logits(self, model, images, training):
        return self._outputs(model, images, training)[0]

    def _outputs(self, model, images, training):
        """Returns a list of logits, of the classifier and, if the model has one, of the auxiliary classifier."""
        outputs = tf.nest.flatten(model(self.preprocessing.normalize(images), training=training))
        return [tf.cast(logits, tf.float32) for logits in outputs]


def check_sides(flag, model, *sides):
    """Raises ArgumentError about a flag if images of one of the sides, in pixels, are too small for a net."""
    for side in sides:
        try:
            model.compute_output_shape((1, side, side, 3))
        except ValueError as error:
            raise ArgumentError(f"{flag}: images of {side} pixels are too small for {model.name}.") from error


def configure(
    model,
    dataset_name,
    dataset,
    recipe_name,
    *,
    data_dir=None,
    arguments=None,
    auxiliary_weight=None,
    image_size=None,
    holdout=None,
    precision="float32",
    init_weights=None,
    freeze=None,
    stage_learning_rates=None,
    seed=0,
    begun=None,
    **changes,
):
    """Makes a run's configuration: everything needed to repeat it.

    Args:
        model: a name of the registry, or of `trainers.tasks.nets.GENERAL`.
        dataset_name: the value of --dataset.
        dataset: the `ImageDataset` of that name.
        recipe_name: a row of `RECIPES`.
        data_dir: the value of --data_dir.
        arguments: a dict of other arguments of the net's builder, which JSON can hold; None for none.
        auxiliary_weight: of an auxiliary classifier's cross entropy in the loss; None or 0 for a net without one.
        image_size: side of the square that the net sees; by default that of the data set's images, or the net's own.
        holdout: the value of --holdout.
        precision: the value of --precision.
        init_weights: the value of --init_weights.
        freeze: names of stages; None for none.
        stage_learning_rates: dict of stages to factors.
        seed: integer.
        begun: the configuration of the run where it exists already: it keeps the recipe that it began with, and goes on
            without the file of `init_weights`.
        **changes: fields of the recipe to change; None leaves the recipe's value.

    Returns:
        A dict that can be written as JSON.
    """
    recipe = change(get_recipe(recipe_name, RECIPES, begun), dataset.train.size, **changes)
    size = image_size or dataset.side or (SIZE if model in GENERAL else registry.find(model).size)
    # The papers' proportion of the image's short side to the crop, for images that are not of one size already.
    short_side = size if dataset.side else round(size * 256 / 224)
    preprocessing = Preprocessing(size, short_side, dataset.mean, dataset.std)
    if init_weights is not None and begun is not None and begun["model"] == model:
        preprocessing = Preprocessing(**begun["preprocessing"])
    elif init_weights is not None:
        with naming("--init_weights"):
            preprocessing = preprocessing.for_weights(model, init_weights)
    return {
        "task": "classification",
        "model": model,
        "arguments": {**(arguments or {}), **({"auxiliary_head": True} if auxiliary_weight else {})},
        "auxiliary_weight": auxiliary_weight or None,
        "holdout": holdout,
        "preprocessing": dataclasses.asdict(preprocessing),
        **configuration.common_config(
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


def _builder(name):
    """Returns the builder of a net, of the registry or a general form."""
    return general_builder(name) if name in GENERAL else functools.partial(keras_resnets.create_model, name)
