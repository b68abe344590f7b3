"""Flags of commands that train."""

from __future__ import annotations

import math
import os
import pathlib
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from absl import flags

from keras_resnets.errors import ArgumentError
from keras_resnets.models import registry
from trainers.engine.settings import LOG_EVERY, Settings
from trainers.flags import command
from trainers.recipes.recipe import Recipe, change
from trainers.runtime.choices import AUTO, DISTRIBUTIONS, ON_NAN, PRECISIONS, PUBLISHED_WEIGHTS
from trainers.runtime.failures import naming
from trainers.runtime.tf_config import read_tf_config
from trainers.tasks.nets import GENERAL, builder_arguments

if TYPE_CHECKING:
    import tensorflow as tf

    from trainers.engine.run_folder import RunFolder
    from trainers.engine.task import Task


def check(recipe: Recipe, is_begun: bool) -> None:
    """Checks what the flags of this file say, but for the net's sizes, as far as that needs no TensorFlow.

    Args:
        recipe: the run's recipe, before the flags change it.
        is_begun: whether the run exists already: it does not need the file of --init_weights again.

    Raises:
        ArgumentError: for flags that cannot work.
    """
    options = flags.FLAGS
    change(recipe, math.inf, **recipe_choices_from_flags()["recipe_changes"])
    for name, distribution in (("replicas", "mirrored"), ("tpu", "tpu")):
        value = options[name].value
        if value is not None and options.distribution != distribution:
            raise ArgumentError(
                f"--{name}={value} is for --distribution={distribution} only: leave it out, or pass that as well."
            )
    if options.distribution == "multi_worker":
        read_tf_config(os.environ.get("TF_CONFIG"))
    weights = options.init_weights
    if weights not in (None, PUBLISHED_WEIGHTS) and not is_begun and not os.path.isfile(weights):
        raise ArgumentError(
            f"--init_weights={weights} is no existing file: give the path of an .h5, .safetensors or .pth file, or "
            f"{PUBLISHED_WEIGHTS} for a net with published weights."
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
    flags.DEFINE_integer(
        "batch_size", None, "Images in a training step, over all replicas; default: the recipe's.", lower_bound=1
    )
    flags.DEFINE_float("learning_rate", None, "Highest learning rate; default: the recipe's.", lower_bound=0)
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
        "init_weights", None, "Weights to start from, as a builder's weights=: a file, or imagenet. Default: random."
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
    names = ["epochs", "steps", "batch_size", "learning_rate", "weight_decay", "clip_norm", "accumulation", "ema_decay"]
    others = ("init_weights", "freeze", "seed", "precision", "sync_batch_norm", "on_nan")
    choices = {name: flags.FLAGS[name].value for name in others}
    choices["stage_learning_rates"] = command.named_numbers("stage_learning_rates", float, "conv2=0.1,predictions=10")
    return {**choices, "recipe_changes": {name: flags.FLAGS[name].value for name in names}}


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
    flags.DEFINE_flag(flags.Flag(_AutoOrBoolean(), None, "jit_compile", Settings.jit_compile, about, boolean=True))
    flags.DEFINE_boolean("sync_batch_norm", Settings.sync_batch_norm, "Whether replicas share their batch statistics.")
    flags.DEFINE_boolean(
        "remat", Settings.remat, "Whether the backward pass computes activations again, to need less memory."
    )
    flags.DEFINE_integer("steps_per_call", Settings.steps_per_call, "Steps in one call of the compiled function.", 1)
    flags.DEFINE_enum("on_nan", Settings.on_nan, list(ON_NAN), "What happens when a loss is not finite.")


class _AutoOrBoolean(flags.BooleanParser):
    """The parser of a flag that is "auto", True or False."""

    def parse(self, argument):
        if argument == AUTO:
            return argument
        try:
            return super().parse(argument)
        except ValueError as error:
            raise ValueError(f"use {AUTO}, true or false") from error


def settings_from_flags() -> dict[str, Any]:
    """Returns the fields of `Settings` that flags give, but for those of `recipe_choices_from_flags`."""
    names = ["log_every", "checkpoint_every", "jit_compile", "remat", "steps_per_call"]
    return {name: flags.FLAGS[name].value for name in names}


def define_sizes() -> None:
    """Defines --block_counts, --filters and --width, for `sizes_from_flags`."""
    general = ", ".join(GENERAL)
    flags.DEFINE_list("block_counts", ["2", "2", "2", "2"], f"Units of each stage of {general}.")
    flags.DEFINE_list(
        "filters",
        ["64", "128", "256", "512"],
        f"Filters of each stage of {general}. CIFAR nets have three stages, with 16,32,64 by default.",
    )
    flags.DEFINE_float("width", None, "Factor of the filters of all layers of Inceptions, VGG and ZF; default: 1.")


def check_net(flag: str, name: str) -> None:
    """Checks the name of a net, and the flags of `define_sizes` as far as they are independent of its builder.

    Args:
        flag: the one that names the net.
        name: its value, a key of `GENERAL` or a name of the registry.

    Raises:
        ArgumentError: for an unknown name, and for sizes that are no numbers or differ in length.
    """
    if name not in GENERAL:
        with naming(f"--{flag}={name}"):
            registry.find(name)
    sizes = _sizes(name)
    block_counts, filters = sizes["block_counts"], sizes["filters"]
    if block_counts and filters and len(block_counts) != len(filters):
        raise ArgumentError(
            f"--block_counts={','.join(map(str, block_counts))} has {len(block_counts)} stages, and "
            f"--filters={','.join(map(str, filters))} has {len(filters)}: pass as many."
        )


def sizes_from_flags(flag: str, name: str) -> dict[str, Any]:
    """Returns the arguments of a net's builder that are its size: `block_counts`, `filters` and `width`, or None each.

    Args:
        flag, name: see `check_net`, which has checked them.

    Raises:
        ArgumentError: for a size that is given for a net whose builder has no such argument.
    """
    known = builder_arguments(name)
    for key in ("block_counts", "filters", "width"):
        if key not in known and flags.FLAGS[key].present:
            raise ArgumentError(f"--{key} has no effect with --{flag}={name}: leave it out.")
    return _sizes(name)


def _sizes(name):
    block_counts, filters = (
        command.numbers(key, int) if name in GENERAL or flags.FLAGS[key].present else None
        for key in ("block_counts", "filters")
    )
    return {"block_counts": block_counts, "filters": filters, "width": flags.FLAGS.width}


def train_from_flags(task: Task, run: RunFolder, strategy: tf.distribute.Strategy) -> None:
    """Trains with the settings of the flags of `define_training`, and prints the result.

    Args:
        task, run: see `trainers.engine.train.train`.
        strategy: a `tf.distribute.Strategy`.
    """
    from trainers.engine.train import train

    if not run.chief:
        print("The first machine shows the progress and writes the files.", file=sys.stderr)
    results = train(task, run, strategy=strategy, **settings_from_flags())
    if run.chief:
        print(f"{task.title}: {task.summary(results)}, {results['step']} steps, {results['seconds']:.0f} s")
        curves = [run.learning_curve, *sorted(run.path.glob(f"*/{run.learning_curve.name}"))]  # of the stages
        for curve in filter(pathlib.Path.exists, curves):
            print(f"learning curve: {curve}")
