"""Image classification: the task, and the binary that trains it.

python -m trainers.classification --model=cifar_resnet20 --dataset=digits --model_dir=/tmp/digits
"""

import dataclasses
import math
import os

import keras
import numpy as np
import tensorflow as tf
from absl import flags

import keras_resnets
from keras_resnets.models import registry
from keras_resnets.preprocessing import Preprocessing
from trainers import cli, loop, plots, recipes
from trainers.data.augmentation import AUGMENTATIONS
from trainers.data.dataset import absolute, open_dataset
from trainers.data.pipeline import evaluation_batches, training_batches
from trainers.run import Run

EVALUATION_BATCH = 250


class Classification:
    """The task of `trainers.loop` for images with one label each.

    Args:
        config: a run's configuration, as `configure` makes it.
        dataset: an `ImageDataset` with the configuration's labels.
    """

    def __init__(self, config, dataset):
        self.config = config
        self.dataset = dataset
        self.preprocessing = Preprocessing(**config["preprocessing"])
        self._logits = tf.function(self._forward, reduce_retracing=True)

    def build_model(self, classifier_activation=None):
        """Returns a new model; its output is logits (B, classes), unless an activation is given."""
        keras.utils.set_random_seed(self.config["seed"])
        size = self.preprocessing.size
        return keras_resnets.create_model(
            self.config["model"],
            input_shape=(size, size, 3),
            classes=len(self.config["labels"]),
            classifier_activation=classifier_activation,
        )

    def training_batches(self, first_step, steps):
        """Returns batches of `image` (B, size, size, 3) float32 in 0..255, augmented, and `label` (B,) int32."""
        recipe = self.config["recipe"]
        augment = AUGMENTATIONS.get(recipe["augmentation"], lambda image, seed, fill: image)

        def transform(example, seed):
            image = augment(self.preprocessing.crop(example["image"]), seed, self.preprocessing.mean)
            return {"image": image, "label": example["label"]}

        return training_batches(
            self.dataset.train,
            transform,
            batch_size=recipe["batch_size"],
            first_step=first_step,
            steps=steps,
            seed=self.config["seed"],
        )

    def losses(self, model, batch, training):
        """Returns the mean cross entropy, and the share of wrong answers as `training_error`."""
        labels = batch["label"]
        logits = self._forward(model, batch["image"], training)
        cross_entropy = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        right = keras.metrics.sparse_categorical_accuracy(labels, logits)
        return {"cross_entropy": tf.reduce_mean(cross_entropy)}, {"training_error": 1 - tf.reduce_mean(right)}

    def evaluate(self, model):
        """Returns `top1_error` and `top5_error` of the test split, as fractions."""
        return top_errors(*self.predict(model))

    def predict(self, model):
        """Returns labels (N,) and logits (N, classes) of the test split, every image once, in order."""

        def transform(example):
            return {"image": self.preprocessing.crop(example["image"]), "label": example["label"]}

        batches = evaluation_batches(self.dataset.test, transform, batch_size=EVALUATION_BATCH)
        labels, logits = zip(*((batch["label"], self._logits(model, batch["image"])) for batch in batches))
        return np.concatenate(labels), np.concatenate(logits)

    def _forward(self, model, images, training=False):
        return tf.cast(model(self.preprocessing.normalize(images), training=training), tf.float32)


def top_errors(labels, logits):
    """Returns `top1_error` and `top5_error`: the fractions of images whose label is not among the best 1 and 5.

    Args:
        labels: (N,) integers.
        logits: (N, classes) array, or probabilities; of classes with the same value, the first is better.
    """
    # Not Keras's top-k accuracy: a label tied with the best counts as right there, so that constant logits, what a
    # net that has collapsed gives, would be perfect.
    best = np.argsort(-logits, axis=1, kind="stable")
    return {f"top{k}_error": float(np.mean(np.all(best[:, :k] != labels[:, np.newaxis], axis=1))) for k in (1, 5)}


def configure(model, dataset_name, dataset, recipe_name, *, data_dir=None, image_size=None, seed=0, **changes):
    """Makes a run's configuration: everything needed to repeat it.

    Args:
        model: a name of the registry.
        dataset_name: the value of --dataset.
        dataset: the `ImageDataset` of that name.
        recipe_name: a row of `trainers.recipes.RECIPES`.
        data_dir: the value of --data_dir.
        image_size: side of the square that the net sees; by default that of the data set's images, or the net's own.
        seed: integer.
        **changes: fields of the recipe to change; None leaves the recipe's value.

    Returns:
        A dict that can be written as JSON.
    """
    changes = {key: value for key, value in changes.items() if value is not None}
    if "steps" in changes or "epochs" in changes:
        changes = {"steps": None, "epochs": None, **changes}
    recipe = dataclasses.replace(recipes.get_recipe(recipe_name), **changes)
    size = image_size or dataset.side or registry.find(model).size
    # The papers' proportion of the image's short side to the crop, for images that are not of one size already.
    short_side = size if dataset.side else round(size * 256 / 224)
    return {
        "task": "classification",
        "model": model,
        "dataset": absolute(dataset_name),
        "data_dir": data_dir and os.path.abspath(data_dir),
        "labels": list(dataset.labels),
        "preprocessing": dataclasses.asdict(Preprocessing(size, short_side, dataset.mean, dataset.std)),
        "recipe_name": recipe_name,
        "recipe": dataclasses.asdict(recipe),
        "steps": recipe.total_steps(dataset.train.size),
        "seed": seed,
        "versions": {"tensorflow": tf.__version__, "keras": keras.__version__},
    }


def train(run, config, dataset, *, log_every, checkpoint_every, jit_compile=False):
    """Trains a run to its end, or goes on with it; writes its results and its learning curve.

    Args:
        run: a `Run`, new or begun with the same configuration.
        config: as `configure` makes it.
        dataset: the `ImageDataset` of the configuration.
        log_every: steps between two lines of metrics.jsonl.
        checkpoint_every: steps between two checkpoints; None for an epoch.
        jit_compile: whether XLA compiles the training step.

    Returns:
        The content of results.json.
    """
    run.check(config)
    if run.results() is not None:
        return run.results()
    recipe = recipes.Recipe(**config["recipe"])
    epoch = math.ceil(dataset.train.size / recipe.batch_size)
    settings = loop.Settings(
        optimizer=recipe.optimizer(config["steps"]),
        weight_decay=recipe.weight_decay,
        batch_size=recipe.batch_size,
        steps=config["steps"],
        log_every=log_every,
        evaluate_every=epoch,
        checkpoint_every=checkpoint_every or epoch,
        jit_compile=jit_compile,
    )
    results = loop.train(Classification(config, dataset), run, settings)
    plots.learning_curve(run.metrics(), f"{config['model']} on {config['dataset']}", run.learning_curve)
    run.finish(results)
    return run.results()


def _define_flags():
    cli.define_model_dir()
    cli.define_data()
    flags.DEFINE_string("model", None, "Name of the net: see keras_resnets.list_models().", required=True)
    flags.DEFINE_string("dataset", None, "digits, idx:PATH, folder:PATH or tfds:NAME.", required=True)
    flags.DEFINE_string("recipe", None, f"One of {', '.join(recipes.RECIPES)}; by default what suits the data set.")
    flags.DEFINE_integer("image_size", None, "Side of the net's square input, in pixels.", lower_bound=1)
    flags.DEFINE_float("epochs", None, "Passes over the training images, instead of the recipe's.", lower_bound=0)
    flags.DEFINE_integer("steps", None, "Training steps, instead of the recipe's.", lower_bound=1)
    flags.DEFINE_integer("batch_size", None, "Images of a step, instead of the recipe's.", lower_bound=1)
    flags.DEFINE_float("learning_rate", None, "The highest, instead of the recipe's.", lower_bound=0)
    flags.DEFINE_integer("seed", 0, "Of the initial weights, the order of the images and their augmentation.")
    flags.DEFINE_boolean("deterministic", False, "Whether to use deterministic operations only (slower on GPUs).")
    flags.DEFINE_integer("log_every", 20, "Steps between two lines of metrics.jsonl.", lower_bound=1)
    flags.DEFINE_integer("checkpoint_every", None, "Steps between two checkpoints; default: an epoch.", lower_bound=1)
    flags.DEFINE_boolean("jit_compile", False, "Whether XLA compiles the training step.")
    flags.mark_flags_as_mutual_exclusive(["epochs", "steps"])


def _main(arguments):
    cli.no_arguments(arguments)
    options = flags.FLAGS
    if options.deterministic:
        tf.config.experimental.enable_op_determinism()
    # Unknown names are said before the data are read.
    registry.find(options.model)
    recipe_name = options.recipe or recipes.default_recipe(options.dataset)
    recipes.get_recipe(recipe_name)
    dataset = open_dataset(options.dataset, options.data_dir, options.download)
    config = configure(
        options.model,
        options.dataset,
        dataset,
        recipe_name,
        data_dir=options.data_dir,
        image_size=options.image_size,
        seed=options.seed,
        epochs=options.epochs,
        steps=options.steps,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
    )
    run = Run(options.model_dir)
    results = train(
        run,
        config,
        dataset,
        log_every=options.log_every,
        checkpoint_every=options.checkpoint_every,
        jit_compile=options.jit_compile,
    )
    print(
        f"{config['model']} on {config['dataset']}: test accuracy {1 - results['top1_error']:.2%}, "
        f"top-5 {1 - results['top5_error']:.2%}, {results['step']} steps, {results['seconds']:.0f} s"
    )
    print(f"learning curve: {run.learning_curve}")


def run():
    """Entry point of the command."""
    cli.run(_main, _define_flags)


if __name__ == "__main__":
    run()
