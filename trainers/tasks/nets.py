"""The nets of general form, whose sizes are flags, and the sizes of images that nets take."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import keras_resnets
from keras_resnets.errors import ArgumentError
from keras_resnets.models import registry

if TYPE_CHECKING:
    import keras

# The builder's name in `keras_resnets`, and arguments of it.
GENERAL = {
    "resnet": ("ResNet", {}),
    "resnet_v2": ("ResNetV2", {}),
    "plainnet": ("ResNet", {"shortcut": None, "name": "plainnet"}),
}


SIZE = 224  # px, of the input of a general net where images differ in size


def general_builder(name: str) -> Callable:
    """Returns the builder of a key of `GENERAL`: a function of `block_counts` and `filters`."""
    builder, arguments = GENERAL[name]
    return functools.partial(getattr(keras_resnets, builder), **arguments)


def builder_arguments(name: str) -> Mapping[str, inspect.Parameter]:
    """Returns the arguments of a net's builder, by their names.

    Args:
        name: a key of `GENERAL` or a name of the registry.

    Raises:
        ArgumentError: for a name that does not exist.
    """
    return inspect.signature(general_builder(name) if name in GENERAL else registry.find(name).build).parameters


def check_sides(flag: str, model: "keras.Model", *sides: int) -> None:
    """Raises ArgumentError about a flag if images of one of the sides, in pixels, are too small for a net."""
    for side in sides:
        try:
            model.compute_output_shape((1, side, side, 3))
        except ValueError as error:
            raise ArgumentError(f"{flag}: images of {side} pixels are too small for {model.name}.") from error
