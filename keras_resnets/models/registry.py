"""The nets by name.

This module does not load Keras: a builder is imported when it is asked for.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import importlib
import string
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from keras_resnets.errors import ArgumentError

if TYPE_CHECKING:
    import keras

    from keras_resnets.weights.published_files import Published


@dataclasses.dataclass(frozen=True)
class Net:
    """A row of the registry.

    Attributes:
        builder: "module.function" below `keras_resnets.models`. The builder of a family of CIFAR nets takes the depth
            first.
        size: side of the images for which the net is made, in pixels.
        error: the paper's error in %, top-1 / top-5, and how it was measured.
        depths: for a family of CIFAR nets, the papers' depths and their test errors in %. Nets of other depths can be
            created as well.
        depth: the depth of a net of such a family; None for the family and for other nets.
    """

    builder: str
    size: int
    error: str = ""
    depths: Mapping[int, str] = dataclasses.field(default_factory=dict)
    depth: int | None = None

    @property
    def build(self) -> Callable[..., keras.Model]:
        """The builder, which is imported; for a net with a `depth`, a partial function of it."""
        module, function = self.builder.split(".")
        build = getattr(importlib.import_module(f"keras_resnets.models.{module}"), function)
        return build if self.depth is None else functools.partial(build, self.depth)


NETS = {
    "plainnet18": Net("resnet.PlainNet18", 224, "27.94 / - (10 crops)"),
    "plainnet34": Net("resnet.PlainNet34", 224, "28.54 / 10.02 (10 crops)"),
    "resnet18": Net("resnet.ResNet18", 224, "27.88 / - (10 crops, option A)"),
    "resnet34": Net("resnet.ResNet34", 224, "24.52 / 7.46 (10 crops)"),
    "resnet50": Net("resnet.ResNet50", 224, "22.85 / 6.71 (10 crops)"),
    "resnet101": Net("resnet.ResNet101", 224, "21.75 / 6.05 (10 crops)"),
    "resnet152": Net("resnet.ResNet152", 224, "21.43 / 5.71 (10 crops)"),
    "resnet200": Net("resnet.ResNet200", 224, "21.8 / 6.0 (1 crop of 320)"),
    "resnet50_v1_5": Net("resnet.ResNet50V1_5", 224),
    "resnet101_v1_5": Net("resnet.ResNet101V1_5", 224),
    "resnet152_v1_5": Net("resnet.ResNet152V1_5", 224),
    "resnet18_v2": Net("resnet_v2.ResNet18V2", 224),
    "resnet34_v2": Net("resnet_v2.ResNet34V2", 224),
    "resnet50_v2": Net("resnet_v2.ResNet50V2", 224),
    "resnet101_v2": Net("resnet_v2.ResNet101V2", 224),
    "resnet152_v2": Net("resnet_v2.ResNet152V2", 224, "21.1 / 5.5 (1 crop of 320)"),
    "resnet200_v2": Net("resnet_v2.ResNet200V2", 224, "20.7 / 5.3 (1 crop of 320)"),
    "cifar_plainnet": Net("cifar.CifarPlainNet", 32, depths={20: "", 32: "", 44: "", 56: "", 110: "over 60"}),
    "cifar_resnet": Net(
        "cifar.CifarResNet",
        32,
        depths={20: "8.75", 32: "7.51", 44: "7.17", 56: "6.97", 110: "6.43", 1202: "7.93"},
    ),
    "cifar_resnet_v2_": Net("cifar.CifarResNetV2", 32, depths={110: "6.37", 164: "5.46", 1001: "4.92"}),
    "googlenet": Net("googlenet.GoogLeNet", 224, "- / 9.15 (10 crops)"),
    "bn_inception": Net("bn_inception.BNInception", 224, "25.2 / 7.8 (1 crop)"),
    "inception_v3": Net("inception_v3.InceptionV3", 299, "21.2 / 5.6 (1 crop)"),
    "inception_v4": Net("inception_v4.InceptionV4", 299, "20.0 / 5.0 (1 crop)"),
    "inception_resnet_v1": Net("inception_resnet.InceptionResNetV1", 299, "21.3 / 5.5 (1 crop)"),
    "inception_resnet_v2": Net("inception_resnet.InceptionResNetV2", 299, "19.9 / 4.9 (1 crop)"),
    "inception_resnet_v2_slim": Net("inception_resnet.SLIM", 299),
    "vgg16": Net("vgg.VGG16", 224, "28.07 / 9.33 (10 crops)"),
    "vgg19": Net("vgg.VGG19", 224),
    "zfnet": Net("zfnet.ZFNet", 224, "35.99 / 14.76 (10 crops)"),
    "zfnet_spp": Net("zfnet.SPP", 224, "34.98 / 14.14 (10 crops)"),
}


def names() -> list[str]:
    """Returns the names of all nets, sorted by family. CIFAR nets have the papers' depths."""
    return [f"{family}{depth}" for family, net in NETS.items() for depth in (*net.depths,) or ("",)]


def list_models() -> list[str]:
    """Returns the names that `create_model` takes, sorted. CIFAR nets have the papers' depths."""
    return sorted(names())


def find(name: str) -> Net:
    """Returns the `Net` of a name, with a builder that takes no depth.

    Raises:
        ArgumentError: (a ValueError) for an unknown name.
    """
    if name in NETS and not NETS[name].depths:
        return NETS[name]
    family = str(name).rstrip(string.digits)
    depth = str(name)[len(family) :]
    if depth and family in NETS and NETS[family].depths:
        net = NETS[family]
        error = net.depths.get(int(depth), "")
        return Net(net.builder, net.size, error, depth=int(depth))
    close = difflib.get_close_matches(str(name), list_models()) or list_models()
    raise ArgumentError(f"model={name!r} is unknown: use {', '.join(close)} (keras_resnets.list_models() has all).")


def list_weights(name: str | None = None) -> list[Published]:
    """Returns the published files of weights for ImageNet that builders can load.

    Args:
        name: name of a net, e.g. "resnet50_v1_5"; None for all nets.

    Returns:
        Rows, whose attribute `weights` is a builder's `weights=`; see
        `keras_resnets.weights.published_files.Published` for the others. The first row of a net is its "imagenet". A
        net without published weights has none.

    Raises:
        ArgumentError: (a ValueError) for an unknown name.
    """
    from keras_resnets.weights.published_files import FILES, rows_of  # loads Keras

    if name is None:
        return list(FILES)
    find(name)
    return rows_of(name)


def create_model(name: str, /, **kwargs: Any) -> keras.Model:
    """Builds a net by name.

    Args:
        name: one of `list_models()`, or a CIFAR net of another depth, e.g. "cifar_resnet14".
        **kwargs: the builder's arguments, e.g. `classes=10`, or `name="mine"` for a model of another name.

    Returns:
        A `keras.Model`, called `name` by default.

    Raises:
        ArgumentError: (a ValueError) for an unknown name, or an argument that cannot work.
    """
    return find(name).build(**kwargs)
