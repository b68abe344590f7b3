"""The general forms of residual nets, which the registry has no names for: their stages are flags."""

from absl import flags

import keras_resnets
from keras_resnets import ArgumentError
from trainers import cli

GENERAL = {"resnet": keras_resnets.ResNet, "resnet_v2": keras_resnets.ResNetV2}
SIZE = 224  # px, of images that are not of one size


def define_stages():
    """Defines --block_counts and --filters, for `stages_by_flags`."""
    flags.DEFINE_list("block_counts", ["2", "2", "2", "2"], "Of resnet and resnet_v2: units of each stage.")
    flags.DEFINE_list("filters", ["64", "128", "256", "512"], "Of resnet and resnet_v2: filters of each stage.")


def stages_by_flags(flag, name):
    """Returns the arguments of a general form, `block_counts` and `filters`; None for each for other nets.

    Args:
        flag: the one that names the net.
        name: its value.

    Raises:
        ArgumentError: for values that are no numbers, not equally many, or given for another net.
    """
    stages = {key: cli.numbers(key, int) if name in GENERAL else None for key in ("block_counts", "filters")}
    for key in stages:
        if name not in GENERAL and flags.FLAGS[key].present:
            raise ArgumentError(f"--{key} has no effect with --{flag}={name}: leave it out.")
    block_counts, filters = stages.values()
    if block_counts and filters and len(block_counts) != len(filters):
        raise ArgumentError(
            f"--block_counts={','.join(map(str, block_counts))} has {len(block_counts)} stages, and "
            f"--filters={','.join(map(str, filters))} {len(filters)}: pass as many."
        )
    return stages
