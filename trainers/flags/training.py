"""Flags of commands that train."""

from __future__ import annotations

import os
import pathlib
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from absl import flags

from keras_resnets.errors import ArgumentError
from keras_resnets.weights.tags import IMAGENET, is_published
from trainers.engine.run_folder import RunFolder, begun_as
from trainers.engine.settings import LOG_EVERY, Settings
from trainers.flags import command
from trainers.flags.parsers import AutoOrBoolean, AutoOrInteger
from trainers.recipes.recipe import Recipe, change
from trainers.runtime.choices import AUTO, DISTRIBUTIONS, ON_NAN, PRECISIONS, WEIGHT_FILE
from trainers.runtime.tf_config import read_tf_config

if TYPE_CHECKING:
    import tensorflow as tf


def check(recipe: Recipe, is_begun: bool, tags: Iterable[str] = ()) -> None:
    """Checks what the flags of this file say, but for the net's sizes, as far as that needs no TensorFlow.

    Args:
        recipe: the run's recipe, before the flags change it.
        is_begun: whether the run exists already: it does not need the file of --init_weights again.
        tags: more values of --init_weights that are no files.

    Raises:
        ArgumentError: for flags that cannot work.
    """
    options = flags.FLAGS
    change(recipe, **recipe_choices_from_flags()["recipe_changes"])
    for name, distribution in (("replicas", "mirrored"), ("tpu", "tpu")):
        value = options[name].value
        if value is not None and options.distribution != distribution:
            raise ArgumentError(
                f"--{name}={value} is for --distribution={distribution} only: leave it out, or pass that as well."
            )
    if options.batch_size == AUTO and options.distribution != "one_device":
        raise ArgumentError(f"--batch_size={AUTO} works with --distribution=one_device only: pass a number.")
    if options.distribution == "multi_worker":
        read_tf_config(os.environ.get("TF_CONFIG"))
    for name in ("patience", "max_hours") if options.find_learning_rate else ():
        if options[name].value is not None:
            raise ArgumentError(
                f"--{name}={options[name].value} has no effect with --find_learning_rate: leave it out."
            )
    weights = options.init_weights
    if weights is None or is_published(weights) or weights in tags or is_begun:
        return
    if os.path.isdir(weights) and begun_as("classification", weights) is None:
        folder = pathlib.Path(weights)
        exported = [*folder.glob(WEIGHT_FILE), *folder.glob(f"*/{WEIGHT_FILE}")]  # of a version, or of all versions
        file = max(exported, key=os.path.getmtime, default=None)
        remedy = f"give its file {file}" if file else "give the --model_dir of one, or a file"
        raise ArgumentError(f"--init_weights={weights} is a folder without a run of trainers.classification: {remedy}.")
    if not os.path.exists(weights):
        raise ArgumentError(
            f"--init_weights={weights} is no existing file: give the path of an .h5, .keras, .safetensors or .pth "
            f"file, the folder of a run of trainers.classification, or {IMAGENET} or a tag of "
            "keras_resnets.list_weights()."
        )


def define_distribution() -> None:
    """Defines the flags of `prepare_devices`."""
    flags.DEFINE_enum(
        "distribution",
        "one_device",
        list(DISTRIBUTIONS),
        "Where the replicas are: one_device: the first GPU, or the CPU; mirrored: all GPUs of this machine; "
        "multi_worker: the machines of TF_CONFIG; tpu: the cores of a TPU.",
    )
    flags.DEFINE_integer(
        "replicas",
        None,
        "GPUs for --distribution=mirrored; without a GPU, virtual CPU devices. Default: all GPUs.",
        lower_bound=1,
    )
    flags.DEFINE_string("tpu", None, 'TPU for --distribution=tpu: its name or address, or "local".')
    flags.DEFINE_float(
        "peer_timeout", 300, "Seconds to wait for the other machines of --distribution=multi_worker.", lower_bound=0
    )


def prepare_devices() -> tf.distribute.Strategy:
    """Applies --deterministic to the process, and returns the strategy of the flags of `define_distribution`."""
    import tensorflow as tf

    from trainers.runtime.distribution import make_strategy

    options = flags.FLAGS
    if options.batch_size == AUTO:  # Other processes need memory of a GPU as well, to try sizes.
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
    if options.deterministic:
        tf.config.experimental.enable_op_determinism()
    return make_strategy(
        options.distribution, replicas=options.replicas, tpu=options.tpu, peer_timeout=options.peer_timeout
    )


def define_recipe(recipes: Iterable[str], default: str = "that of the data set") -> None:
    """Defines --recipe, and the flags of `recipe_choices_from_flags`.

    Args:
        recipes: the names of the recipes.
        default: which one is the default, for the help text.
    """
    flags.DEFINE_string("recipe", None, f"One of {', '.join(recipes)}; default: {default}.")
    flags.DEFINE_float("epochs", None, "Passes over the training images; default: the recipe's.", lower_bound=0)
    flags.DEFINE_integer("steps", None, "Training steps; default: the recipe's.", lower_bound=1)
    about = (
        f"Images in a training step, over all replicas; {AUTO}: the largest power of two up to 1024 that fits into "
        "memory, which is tried first. The learning rate stays as it is. Default: the recipe's."
    )
    flags.DEFINE_flag(flags.Flag(AutoOrInteger(lower_bound=1), flags.ArgumentSerializer(), "batch_size", None, about))
    flags.DEFINE_float("learning_rate", None, "Highest learning rate; default: the recipe's.", lower_bound=0)
    flags.DEFINE_enum(
        "schedule",
        None,
        ["constant", "cosine"],
        "Learning rate over the steps: constant, or falling to 0; the recipe's warm-up comes before. A run with a "
        "constant one can be given more steps later, as if it had had them from the start. Default: the recipe's.",
    )
    flags.DEFINE_float("weight_decay", None, "Factor of the L2 loss; default: the recipe's.", lower_bound=0)
    flags.DEFINE_float(
        "clip_norm", None, "Largest global norm of the gradients, 0 for no limit; default: the recipe's.", lower_bound=0
    )
    flags.DEFINE_integer(
        "accumulation",
        None,
        "Parts of a batch whose gradients are accumulated, to need less memory; default: the recipe's.",
        lower_bound=1,
    )
    flags.DEFINE_float(
        "ema_decay",
        None,
        "Decay of the moving average of the weights, which is evaluated and exported; 0 for none. Default: the "
        "recipe's.",
        0,
        1,
    )
    flags.DEFINE_string(
        "init_weights",
        None,
        "Weights to start from: a file, imagenet, a tag such as timm:resnet50.a1_in1k, or a repository such as "
        "hf://timm/resnet50.a1_in1k, as a builder's weights=; or the --model_dir of a run of "
        "trainers.classification. Default: random.",
    )
    flags.DEFINE_list(
        "freeze", None, "Stages whose weights are not trained, e.g. stem,conv2; default: none, or the recipe's."
    )
    flags.DEFINE_list(
        "stage_learning_rates", [], "Factors of the learning rate by stage, e.g. conv2=0.1,predictions=10."
    )
    flags.DEFINE_integer(
        "seed", 0, "Seed of the initial weights, the order of the images and their augmentation.", 0, 2**32 - 1
    )
    flags.mark_flags_as_mutual_exclusive(["epochs", "steps"])


def recipe_choices_from_flags() -> dict[str, Any]:
    """Returns the fields of `Choices` that flags of `define_recipe` and `define_training` give, but for --recipe."""
    names = ["epochs", "steps", "batch_size", "learning_rate", "schedule"]
    names += ["weight_decay", "clip_norm", "accumulation", "ema_decay"]
    others = ("init_weights", "freeze", "seed", "precision", "sync_batch_norm", "on_nan")
    choices = {name: flags.FLAGS[name].value for name in others}
    choices["stage_learning_rates"] = command.named_numbers("stage_learning_rates", float, "conv2=0.1,predictions=10")
    changes = {name: flags.FLAGS[name].value for name in names}
    if changes["batch_size"] == AUTO:  # of a new run, until it is known; another one keeps its own
        changes["batch_size"] = None if RunFolder(flags.FLAGS.model_dir).exists() else 1
    return {**choices, "recipe_changes": changes}


def define_training() -> None:
    """Defines the flags of every training run, for `settings_from_flags`."""
    flags.DEFINE_enum(
        "precision", Settings.precision, list(PRECISIONS), "Dtype policy; weights are float32 in any case."
    )
    flags.DEFINE_boolean("deterministic", False, "Whether all operations are deterministic, which is slower on GPUs.")
    flags.DEFINE_integer("log_every", LOG_EVERY, "Steps between two lines of metrics.jsonl.", lower_bound=1)
    flags.DEFINE_integer("checkpoint_every", None, "Steps between two checkpoints; default: an epoch.", lower_bound=1)
    about = f"Whether XLA compiles the training step; {AUTO} measures which is faster."
    # A flag like a boolean one, --jit_compile and --nojit_compile, with a third value.
    flags.DEFINE_flag(flags.Flag(AutoOrBoolean(), None, "jit_compile", Settings.jit_compile, about, boolean=True))
    flags.DEFINE_boolean("sync_batch_norm", Settings.sync_batch_norm, "Whether replicas share their batch statistics.")
    flags.DEFINE_boolean(
        "remat", Settings.remat, "Whether the backward pass computes activations again, to need less memory."
    )
    flags.DEFINE_integer("steps_per_call", Settings.steps_per_call, "Steps in one call of the compiled function.", 1)
    flags.DEFINE_enum("on_nan", Settings.on_nan, list(ON_NAN), "What happens when a loss is not finite.")
    flags.DEFINE_boolean(
        "find_learning_rate",
        False,
        "Whether to suggest a --learning_rate, instead of training: the loss is drawn over rising learning rates.",
    )
    flags.DEFINE_integer(
        "patience",
        Settings.patience,
        "Evaluations in a row without a better result, after which the run ends. With this flag, the best evaluation "
        "is the result, which trainers.evaluate and trainers.export take, and not the last step. Default: no limit.",
        lower_bound=1,
    )
    flags.DEFINE_float(
        "max_hours",
        None,
        "Hours after which the training saves its state and stops, with status 124; the same command goes on from "
        "there, for as many hours again. Default: no limit.",
        lower_bound=0,
    )


def settings_from_flags() -> dict[str, Any]:
    """Returns the fields of `Settings` that flags give, but for those of `recipe_choices_from_flags`."""
    names = ["log_every", "checkpoint_every", "jit_compile", "remat", "steps_per_call", "patience"]
    hours = flags.FLAGS.max_hours
    deadline = None if hours is None else time.monotonic() + 3600 * hours
    return {**{name: flags.FLAGS[name].value for name in names}, "deadline": deadline}
