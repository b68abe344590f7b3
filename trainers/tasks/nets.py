"""The sizes of nets: stages of the general forms, which the registry has no names for, and widths are flags."""

import functools
import inspect
from collections.abc import Callable, Collection

import keras_resnets

# The builder's name in `keras_resnets`, and arguments of it.
GENERAL = {
    "resnet": ("ResNet", {}),
    "resnet_v2": ("ResNetV2", {}),
    "plainnet": ("ResNet", {"shortcut": None, "name": "plainnet"}),
}


SIZE = 224  # px, of images that are not of one size


def general_builder(name: str) -> Callable:
    """Returns the builder of a key of `GENERAL`: a function of `block_counts` and `filters`."""
    builder, arguments = GENERAL[name]
    return functools.partial(getattr(keras_resnets, builder), **arguments)


def builder_arguments(name: str) -> Collection[str]:
    """Returns the names of the arguments of a net's builder.

    Args:
        name: a key of `GENERAL` or a name of the registry.

    Raises:
        ArgumentError: for a name that does not exist.
    """
    from keras_resnets.models import registry  # imports Keras, for which the flags' definitions do not wait

    return inspect.signature(general_builder(name) if name in GENERAL else registry.find(name).build).parameters
