"""Flags of a net's sizes, for nets of general form and for narrow ones."""

from typing import Any

from absl import flags

from keras_resnets.errors import ArgumentError
from keras_resnets.models import registry
from trainers.flags import command
from trainers.runtime.failures import as_flags
from trainers.tasks.nets import GENERAL, builder_arguments


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
        with as_flags():
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
