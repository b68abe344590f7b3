"""What the binaries share: how they start, and how they end when something is wrong."""

import signal
import sys

import tensorflow as tf
from absl import app, flags, logging

from keras_resnets import ArgumentError
from trainers.compilation import AUTO
from trainers.distribution import DISTRIBUTIONS, make_strategy
from trainers.interruption import Interrupted
from trainers.transfer import parse_rates

SIGNAL_STATUS = 128  # plus the signal's number: the status of a process that a signal ended


def run(main, define_flags):
    """Defines the flags, parses them and calls `main(arguments)`.

    An argument that cannot work and a file that cannot be read or written end in one line on stderr and status 1;
    --help and its relatives write to stdout and end with status 0.

    Args:
        main: function of the list of positional arguments.
        define_flags: function that defines the binary's flags. They are not defined when a binary's module is
            imported, so that one binary can use another's functions.
    """
    others = set(flags.FLAGS)
    define_flags()
    for name in set(flags.FLAGS) - others:
        # Only such flags are shown by --help.
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])

    def guarded(argv):
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)  # TensorFlow tells of every checkpoint.
        signal.signal(signal.SIGTERM, _terminate)
        try:
            main(argv[1:])
        except (ArgumentError, OSError) as error:
            sys.exit(f"error: {error}")
        except Interrupted as stop:
            print(stop, file=sys.stderr)
            sys.exit(SIGNAL_STATUS + stop.signal)
        except KeyboardInterrupt as stop:
            print("interrupted: the same command goes on from what is saved, if this was training", file=sys.stderr)
            sys.exit(SIGNAL_STATUS + (signal.SIGTERM if isinstance(stop, _Terminated) else signal.SIGINT))

    app.run(guarded, flags_parser=_parse)


def _parse(argv):
    """Parses the flags; returns the other arguments."""
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        sys.exit(f"error: {'; '.join(str(error).splitlines())} (--help explains the flags)")
    except SystemExit:  # --help has been printed: absl calls that status 1.
        sys.exit()


class _Terminated(KeyboardInterrupt):
    """SIGTERM has come."""


def _terminate(number, frame):
    raise _Terminated


def no_arguments(arguments):
    """Raises ArgumentError if there are positional arguments."""
    if arguments:
        raise ArgumentError(f"unexpected argument {arguments[0]!r}: flags are written --name=value.")


def numbers(flag, kind):
    """Returns the numbers of a list flag as a tuple, or None where it is not given.

    Args:
        flag: the flag's name.
        kind: int or float.

    Raises:
        ArgumentError: if an entry is no such number.
    """
    value = flags.FLAGS[flag].value
    try:
        return None if value is None else tuple(kind(entry) for entry in value)
    except ValueError as error:
        what = "integers" if kind is int else "numbers"
        raise ArgumentError(f"--{flag}={','.join(value)} must be {what}, separated by commas.") from error


def define_model_dir():
    """Defines --model_dir, which is required."""
    flags.DEFINE_string("model_dir", None, "Folder of the training run.", required=True)


def define_best():
    """Defines --best."""
    flags.DEFINE_boolean("best", False, "Whether to take the checkpoint with the lowest error, instead of the last.")


def define_data():
    """Defines --data_dir and --download, for TensorFlow Datasets."""
    flags.DEFINE_string("data_dir", None, "Where TensorFlow Datasets keeps its data.")
    flags.DEFINE_boolean("download", False, "Whether TensorFlow Datasets may download what is missing.")


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
    """Returns what the flags of `define_recipe` say, but for --recipe, and --precision; None where one is not given."""
    names = ["epochs", "steps", "batch_size", "learning_rate", "weight_decay", "clip_norm", "accumulation", "ema_decay"]
    names += ["init_weights", "freeze", "seed", "precision"]
    rates = parse_rates(flags.FLAGS.stage_learning_rates)
    return {"stage_learning_rates": rates, **{name: flags.FLAGS[name].value for name in names}}


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
    """Returns the fields of `trainers.loop.Settings` that have flags of `define_training`, but for --precision."""
    names = ["log_every", "checkpoint_every", "jit_compile", "sync_batch_norm", "remat", "steps_per_call", "on_nan"]
    return {name: flags.FLAGS[name].value for name in names}
