"""The nets by name."""

import difflib
import re

from keras_resnets.errors import ArgumentError
from keras_resnets.models import cifar, resnet

BUILDERS = {
    "plainnet18": resnet.PlainNet18,
    "plainnet34": resnet.PlainNet34,
    "resnet18": resnet.ResNet18,
    "resnet34": resnet.ResNet34,
    "resnet50": resnet.ResNet50,
    "resnet101": resnet.ResNet101,
    "resnet152": resnet.ResNet152,
    "resnet50_v1_5": resnet.ResNet50V1_5,
    "resnet101_v1_5": resnet.ResNet101V1_5,
    "resnet152_v1_5": resnet.ResNet152V1_5,
}
# Families by depth: any depth that the builder takes can be created, the papers' depths are listed.
DEPTH_BUILDERS = {
    "cifar_plainnet": (cifar.CifarPlainNet, (20, 32, 44, 56, 110)),
    "cifar_resnet": (cifar.CifarResNet, (20, 32, 44, 56, 110, 1202)),
}


def list_models():
    """Returns the names that `create_model` takes, as a sorted list; of the CIFAR nets, the papers' depths."""
    by_depth = [f"{family}{depth}" for family, (_, depths) in DEPTH_BUILDERS.items() for depth in depths]
    return sorted([*BUILDERS, *by_depth])


def create_model(name, **kwargs):
    """Builds a net by name.

    Args:
        name: one of `list_models()`, or a CIFAR net of another depth, e.g. "cifar_resnet14".
        **kwargs: the builder's arguments, e.g. `classes=10`.

    Returns:
        A `keras.Model` called `name`.

    Raises:
        ArgumentError: (a ValueError) for an unknown name, or an argument that cannot work.
    """
    if name in BUILDERS:
        return BUILDERS[name](**kwargs)
    family, depth = re.fullmatch(r"(.*?)(\d*)", str(name), re.DOTALL).groups()
    if family in DEPTH_BUILDERS and depth:
        return DEPTH_BUILDERS[family][0](int(depth), **kwargs)
    close = difflib.get_close_matches(str(name), list_models()) or list_models()
    raise ArgumentError(f"model {name!r} is unknown: use {', '.join(close)} (keras_resnets.list_models() has all).")
