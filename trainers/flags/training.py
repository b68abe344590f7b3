"""Flags of commands that train."""

import pathlib
import sys

import tensorflow as tf
from absl import flags

from keras_resnets import ArgumentError
from trainers.engine.compilation import AUTO
from trainers.engine.train import train
from trainers.flags import command, training
from trainers.runtime.distribution import DISTRIBUTIONS, make_strategy
from trainers.tasks.fine_tuning import parse_rates
from trainers.tasks.nets import GENERAL, builder_arguments


def define_distribution():
    """Defines the flags of `strategy`."""
    flags.DEFINE_enum("distribution", "one_device", list(DISTRIBUTIONS), "Where the replicas are.")
    flags.DEFINE_integer("replicas", None, "Of mirrored: GPUs to use; without GPUs, parts of the CPU.", lower_bound=1)
    flags.DEFINE_string("tpu", None, 'Name or address of the TPU, or "local".')
    flags.DEFINE_float("peer_timeout", 300, "Seconds to wait for the other machines of multi_worker.", lower_bound=0)


def strategy():
    """Returns the `tf.distribute.Strategy` that the flags of `define_distribution` say; heeds --deterministic first."""
    options = flags.FLAGS
    if options.deterministic:
        tf.config.experimental.enable_op_determinism()
    return make_strategy(
        options.distribution, replicas=options.replicas, tpu=options.tpu, peer_timeout=options.peer_timeout
    )


def define_recipe(recipes):
    """Defines the flags of `recipe_choices`, and --recipe, which names a row of the table `recipes`."""
    flags.DEFINE_string(
        "recipe", None, f"One of {', '.join(recipes)}; by default what suits the data set and the system."
    )
    flags.DEFINE_float("epochs", None, "Passes over the training images, instead of the recipe's.", lower_bound=0)
    flags.DEFINE_integer("steps", None, "Training steps, instead of the recipe's.", lower_bound=1)
    flags.DEFINE_integer(
        "batch_size", None, "Images of a step on all replicas, instead of the recipe's.", lower_bound=1
    )
    flags.DEFINE_float("learning_rate", None, "The highest, instead of the recipe's.", lower_bound=0)
    flags.DEFINE_float("weight_decay", None, "L2, instead of the recipe's.", lower_bound=0)
    flags.DEFINE_float("clip_norm", None, "Largest norm of the gradients, 0 for any.", lower_bound=0)
    flags.DEFINE_integer("accumulation", None, "Parts that a batch is computed in, to need less memory.", lower_bound=1)
    flags.DEFINE_float("ema_decay", None, "Of the moving average of the weights, which is then used; 0 for none.", 0, 1)
    flags.DEFINE_string(
        "init_weights", None, "Weights to start from, as for a builder's weights=: a file, or imagenet."
    )
    flags.DEFINE_list("freeze", None, "Stages that stay as they are, e.g. stem,conv2; default: none, or the recipe's.")
    flags.DEFINE_list("stage_learning_rates", [], "Factors of the learning rate, e.g. conv2=0.1,predictions=10.")
    flags.DEFINE_integer(
        "seed", 0, "Of the initial weights, the order of the images and their augmentation.", 0, 2**32 - 1
    )
    flags.mark_flags_as_mutual_exclusive(["epochs", "steps"])


def recipe_choices():
    """Returns what the flags of `define_recipe`, but for --recipe, and --precision say, as fields of `Choices`."""
    names = ["epochs", "steps", "batch_size", "learning_rate", "weight_decay", "clip_norm", "accumulation", "ema_decay"]
    choices = {name: flags.FLAGS[name].value for name in ("init_weights", "freeze", "seed", "precision")}
    choices["stage_learning_rates"] = parse_rates(flags.FLAGS.stage_learning_rates)
    return {**choices, "recipe_changes": {name: flags.FLAGS[name].value for name in names}}


def define_training():
    """Defines the flags of every training run, for `training_settings`."""
    precisions = ["float32", "mixed_bfloat16", "mixed_float16"]
    flags.DEFINE_enum("precision", "float32", precisions, "Of computations; weights are float32 in any case.")
    flags.DEFINE_boolean("deterministic", False, "Whether to use deterministic operations only (slower on GPUs).")
    flags.DEFINE_integer("log_every", 20, "Steps between two lines of metrics.jsonl.", lower_bound=1)
    flags.DEFINE_integer("checkpoint_every", None, "Steps between two checkpoints; default: an epoch.", lower_bound=1)
    about = "Whether XLA compiles the training step; auto: if that is faster, which is measured."
    # A flag like a boolean one, --jit_compile and --nojit_compile, with a third value.
    flags.DEFINE_flag(flags.Flag(_AutoOrBoolean(), None, "jit_compile", False, about, boolean=True))
    flags.DEFINE_boolean("sync_batch_norm", True, "Whether replicas share their batch statistics.")
    flags.DEFINE_boolean("remat", False, "Whether to compute activations again, to need less memory.")
    flags.DEFINE_integer("steps_per_call", 1, "Steps that one call of TensorFlow makes.", lower_bound=1)
    flags.DEFINE_enum("on_nan", "stop", ["stop", "skip_step"], "What to do when a loss is not finite.")


class _AutoOrBoolean(flags.BooleanParser):
    """The parser of a flag that is "auto", True or False."""

    def parse(self, argument):
        if argument == AUTO:
            return argument
        try:
            return super().parse(argument)
        except ValueError as error:
            raise ValueError(f"use {AUTO}, true or false") from error


def training_settings():
    """Returns the fields of `Settings` that have flags of `define_training`, but for --precision."""
    names = ["log_every", "checkpoint_every", "jit_compile", "sync_batch_norm", "remat", "steps_per_call", "on_nan"]
    return {name: flags.FLAGS[name].value for name in names}


def define_sizes():
    """Defines --block_counts, --filters and --width, for `sizes_by_flags`."""
    flags.DEFINE_list("block_counts", ["2", "2", "2", "2"], f"Of {', '.join(GENERAL)}: units of each stage.")
    flags.DEFINE_list(
        "filters",
        ["64", "128", "256", "512"],
        f"Of {', '.join(GENERAL)}: filters of each stage. CIFAR nets have three stages, of 16,32,64 by default.",
    )
    flags.DEFINE_float("width", None, "Of Inceptions, VGG and ZF: factor of the filters of every layer; default: 1.")


def sizes_by_flags(flag, name):
    """Returns the arguments of a net's builder that are its size: `block_counts`, `filters` and `width`, or None each.

    Args:
        flag: the one that names the net.
        name: its value, a key of `GENERAL` or a name of the registry.

    Raises:
        ArgumentError: for values that are no numbers, not equally many, or given for a net without this argument; and
            for a name that does not exist.
    """
    known = builder_arguments(name)
    for key in ("block_counts", "filters", "width"):
        if key not in known and flags.FLAGS[key].present:
            raise ArgumentError(f"--{key} has no effect with --{flag}={name}: leave it out.")
    block_counts, filters = (
        command.numbers(key, int) if name in GENERAL or flags.FLAGS[key].present else None
        for key in ("block_counts", "filters")
    )
    if block_counts and filters and len(block_counts) != len(filters):
        raise ArgumentError(
            f"--block_counts={','.join(map(str, block_counts))} has {len(block_counts)} stages, and "
            f"--filters={','.join(map(str, filters))} {len(filters)}: pass as many."
        )
    return {"block_counts": block_counts, "filters": filters, "width": flags.FLAGS.width}


def train_by_flags(task, run, strategy, procedure=train):
    """Trains as the flags of `cli.define_training` say, and prints what came out.

    Args:
        task, run: see `train`.
        strategy: a `tf.distribute.Strategy`.
        procedure: `train`, or a function like it that trains in several stages.
    """
    settings = training.training_settings()
    # What else the weights depend on.
    task.config["training"] = {name: settings[name] for name in ("sync_batch_norm", "on_nan")}
    if not run.chief:
        print("The first machine shows the progress and writes the files.", file=sys.stderr)
    results = procedure(task, run, strategy=strategy, **settings)
    if run.chief:
        print(f"{task.title}: {task.summary(results)}, {results['step']} steps, {results['seconds']:.0f} s")
        curves = [run.learning_curve, *sorted(run.path.glob(f"*/{run.learning_curve.name}"))]  # of the stages
        for curve in filter(pathlib.Path.exists, curves):
            print(f"learning curve: {curve}")
