"""The sizes of nets: stages of the general forms, which the registry has no names for, and widths are flags."""

import functools
import inspect

from absl import flags

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.models import registry
from trainers import cli

GENERAL = {
    "resnet": keras_resnets.ResNet,
    "resnet_v2": keras_resnets.ResNetV2,
    "plainnet": functools.partial(keras_resnets.ResNet, shortcut=None, name="plainnet"),
}
SIZE = 224  # px, of images that are not of one size


def define_sizes():
    """Defines --block_counts, --filters and --width, for `sizes_by_flags`."""
    flags.DEFINE_list("block_counts", ["2", "2", "2", "2"], f"Of {', '.join(GENERAL)}: units of each stage.")
    flags.DEFINE_list(
        "filters",
        ["64", "128", "256", "512"],
        f"Of {', '.join(GENERAL)}: filters of each stage. CIFAR nets have three stages, of 16,32,64 by default.",
    )
    flags.DEFINE_float("width", None, "Of Inceptions, VGG and ZF: factor of the filters of every layer; default: 1.")


def builder_arguments(name):
    """Returns the names of the arguments of a net's builder.

    Args:
        name: a key of `GENERAL` or a name of the registry.

    Raises:
        ArgumentError: for a name that does not exist.
    """
    return inspect.signature(GENERAL.get(name) or registry.find(name).build).parameters


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
        cli.numbers(key, int) if name in GENERAL or flags.FLAGS[key].present else None
        for key in ("block_counts", "filters")
    )
    if block_counts and filters and len(block_counts) != len(filters):
        raise ArgumentError(
            f"--block_counts={','.join(map(str, block_counts))} has {len(block_counts)} stages, and "
            f"--filters={','.join(map(str, filters))} {len(filters)}: pass as many."
        )
    return {"block_counts": block_counts, "filters": filters, "width": flags.FLAGS.width}
