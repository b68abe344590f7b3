"""The nets by name."""

import dataclasses
import difflib
import functools
import re
from collections.abc import Callable

from keras_resnets.errors import ArgumentError
from keras_resnets.models import cifar, resnet


@dataclasses.dataclass(frozen=True)
class Net:
    """A row of the registry.

    Attributes:
        build: the builder; of a family of CIFAR nets, one that takes the depth first.
        size: side of the images that the net is made for, in pixels.
        depths: the papers' depths, for a family; any other that the builder takes can be created as well.
    """

    build: Callable
    size: int
    depths: tuple[int, ...] = ()


NETS = {
    "plainnet18": Net(resnet.PlainNet18, 224),
    "plainnet34": Net(resnet.PlainNet34, 224),
    "resnet18": Net(resnet.ResNet18, 224),
    "resnet34": Net(resnet.ResNet34, 224),
    "resnet50": Net(resnet.ResNet50, 224),
    "resnet101": Net(resnet.ResNet101, 224),
    "resnet152": Net(resnet.ResNet152, 224),
    "resnet50_v1_5": Net(resnet.ResNet50V1_5, 224),
    "resnet101_v1_5": Net(resnet.ResNet101V1_5, 224),
    "resnet152_v1_5": Net(resnet.ResNet152V1_5, 224),
    "cifar_plainnet": Net(cifar.CifarPlainNet, 32, (20, 32, 44, 56, 110)),
    "cifar_resnet": Net(cifar.CifarResNet, 32, (20, 32, 44, 56, 110, 1202)),
}


def list_models():
    """Returns the names that `create_model` takes, as a sorted list; of the CIFAR nets, the papers' depths."""
    return sorted(f"{name}{depth}" for name, net in NETS.items() for depth in net.depths or [""])


def find(name):
    """Returns the `Net` with this name; its builder takes no depth.

    Raises:
        ArgumentError: (a ValueError) for an unknown name.
    """
    if name in NETS and not NETS[name].depths:
        return NETS[name]
    family, depth = re.fullmatch(r"(.*?)(\d*)", str(name), re.DOTALL).groups()
    if depth and family in NETS and NETS[family].depths:
        return dataclasses.replace(NETS[family], build=functools.partial(NETS[family].build, int(depth)))
    close = difflib.get_close_matches(str(name), list_models()) or list_models()
    raise ArgumentError(f"model {name!r} is unknown: use {', '.join(close)} (keras_resnets.list_models() has all).")


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
    return find(name).build(**kwargs)
