"""The sizes of nets: stages of the general forms, which the registry has no names for, and widths are flags."""

import functools
import inspect

import keras_resnets
from keras_resnets.models import registry

GENERAL = {
    "resnet": keras_resnets.ResNet,
    "resnet_v2": keras_resnets.ResNetV2,
    "plainnet": functools.partial(keras_resnets.ResNet, shortcut=None, name="plainnet"),
}


SIZE = 224  # px, of images that are not of one size


def builder_arguments(name):
    """Returns the names of the arguments of a net's builder.

    Args:
        name: a key of `GENERAL` or a name of the registry.

    Raises:
        ArgumentError: for a name that does not exist.
    """
    return inspect.signature(GENERAL.get(name) or registry.find(name).build).parameters
