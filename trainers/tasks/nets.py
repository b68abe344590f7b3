"""The nets of general form, whose sizes are flags, and the sizes of images that nets take."""

import functools
import inspect
from collections.abc import Mapping

import keras

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.models import registry

GENERAL = {
    "resnet": keras_resnets.ResNet,
    "resnet_v2": keras_resnets.ResNetV2,
    "plainnet": functools.partial(keras_resnets.ResNet, shortcut=None, name="plainnet"),
}


SIZE = 224  # px, of the input of a general net where images differ in size


def builder_arguments(name: str) -> Mapping[str, inspect.Parameter]:
    """Returns the arguments of a net's builder, by their names.

    Args:
        name: a key of `GENERAL` or a name of the registry.

    Raises:
        ArgumentError: for a name that does not exist.
    """
    return inspect.signature(GENERAL.get(name) or registry.find(name).build).parameters


def check_sides(flag: str, model: keras.Model, *sides: int) -> None:
    """Raises ArgumentError about a flag if images of one of the sides, in pixels, are too small for a net."""
    for side in sides:
        try:
            model.compute_output_shape((1, side, side, 3))
        except ValueError as error:
            raise ArgumentError(f"{flag}: images of {side} pixels are too small for {model.name}.") from error
