"""Published weights for ImageNet: where they are, and the preprocessing that they expect.

Sources, checksums, crops and accuracies are those of keras.applications (Keras 3.15), torchvision 0.29 and timm 1.0;
keras.applications states no crop and no accuracy. Weights of timm come from its repositories on the Hugging Face Hub.
Accuracies were measured on images that Pillow decoded and resized.
"""

import dataclasses
import functools
import hashlib
import os
import pathlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import keras

from keras_resnets.errors import ArgumentError, first_line
from keras_resnets.normalization import CAFFE, INCEPTION, TORCH, Normalization
from keras_resnets.weights.family import say_nothing
from keras_resnets.weights.loading import check_file, read_weights

KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"
TORCHVISION = "https://download.pytorch.org/models"
HUB_FILE = "model.safetensors"
CLASSES = 1000
Weights = TypeVar("Weights", bound=str | os.PathLike[str] | None)  # a builder's argument


@dataclasses.dataclass(frozen=True)
class Published:
    """One net's weights.

    Attributes:
        source: "keras.applications", "torchvision" or "timm".
        file: URL, or the name of a repository on the Hub.
        normalization: the normalization of images that the net expects.
        crop: side of the net's square input divided by the image's short side after resizing, or None if unknown.
        top1: accuracy on ImageNet's validation images in %, or None.
        checksum: MD5, or the first digits of SHA-256, or None for the Hub, which checks its files.
        notop, notop_checksum: the same for the net without its classifier, if that is another file.
        arguments: the builder's arguments for which the file is, besides the classes.
        pillow_filter: the filter of Pillow with which images are resized, "bilinear" or "bicubic", or None if unknown.
    """

    source: str
    file: str
    normalization: Normalization
    crop: float | None = None
    top1: float | None = None
    checksum: str | None = None
    notop: str | None = None
    notop_checksum: str | None = None
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=lambda: {"width": 1})
    pillow_filter: str | None = None


def _keras(name, checksum, notop_checksum, normalization=CAFFE, folder=None):
    path = f"{KERAS}/{folder or name}/{name}_weights_tf_dim_ordering_tf_kernels"
    return Published(
        "keras.applications",
        f"{path}.h5",
        normalization,
        checksum=checksum,
        notop=f"{path}_notop.h5",
        notop_checksum=notop_checksum,
    )


def _timm(repository, crop, top1=None, normalization=TORCH, pillow_filter="bicubic", **arguments):
    arguments = {"width": 1, **arguments}
    row = Published("timm", f"timm/{repository}", normalization, crop, top1, arguments=arguments)
    return dataclasses.replace(row, pillow_filter=pillow_filter)


PUBLISHED = {
    # timm's copies of torchvision's first weights, which need no PyTorch to be read.
    "resnet18": _timm("resnet18.tv_in1k", 0.875, 69.758, pillow_filter="bilinear"),
    "resnet34": _timm("resnet34.tv_in1k", 0.875, 73.314, pillow_filter="bilinear"),
    "resnet50_v1_5": _timm("resnet50.tv_in1k", 0.875, 76.130, pillow_filter="bilinear"),
    "resnet101_v1_5": _timm("resnet101.tv_in1k", 0.875, 77.374, pillow_filter="bilinear"),
    "resnet152_v1_5": _timm("resnet152.tv_in1k", 0.875, 78.312, pillow_filter="bilinear"),
    "resnet50": _keras(
        "resnet50", "2cb95161c43110f7111970584f804107", "4d473c1dd8becc155b73f8504c6f6626", folder="resnet"
    ),
    "resnet101": _keras(
        "resnet101", "f1aeb4b969a6efcfb50fad2f0c20cfc5", "88cf7a10940856eca736dc7b7e228a21", folder="resnet"
    ),
    "resnet152": _keras(
        "resnet152", "100835be76be38e30d865e96f2aaae62", "ee4c566cf9a93f14d82f913c2dc6dd0c", folder="resnet"
    ),
    "resnet18_v2": _timm("resnetv2_18.ra4_e3600_r224_in1k", 0.9, normalization=INCEPTION, stem="timm"),
    "resnet34_v2": _timm("resnetv2_34.ra4_e3600_r224_in1k", 0.9, normalization=INCEPTION, stem="timm"),
    "resnet50_v2": _timm("resnetv2_50.a1h_in1k", 0.95, normalization=INCEPTION, stem="timm"),
    "resnet101_v2": _timm("resnetv2_101.a1h_in1k", 0.95, normalization=INCEPTION, stem="timm"),
    "googlenet": Published(
        "torchvision",
        f"{TORCHVISION}/googlenet-1378be20.pth",
        INCEPTION,
        crop=0.875,
        top1=69.778,
        checksum="1378be20",
        pillow_filter="bilinear",
    ),
    "inception_v3": _keras(
        "inception_v3",
        "9a0d58056eeedaa3f26cb7ebd46da564",
        "bcbd6486424b2319ff4ef7d526e38f63",
        INCEPTION,
    ),
    "inception_v4": _timm("inception_v4.tf_in1k", 0.875, normalization=INCEPTION),
    "inception_resnet_v2_slim": _keras(
        "inception_resnet_v2",
        "e693bd0210a403b3192acc6073ad2e96",
        "d19885ff4a710c122648d3b5c3b684e4",
        INCEPTION,
    ),
    "vgg16": _keras("vgg16", "64373286793e3c8b2b4e3219cbf3544b", "6d6bbae143d832006294945121d1f1fc"),
    "vgg19": _keras("vgg19", "cbe5617147190e668d6c5d5026f83318", "253f8cb515780f3b799900260a226db6"),
}


def resolve(
    weights: Weights, net: str, arguments: Mapping[str, Any] = MappingProxyType({})
) -> Weights | str | os.PathLike[str]:
    """Returns the path of a builder's weights. "imagenet" is downloaded, once; anything else stays as it is.

    Args:
        weights: the builder's argument.
        net: the net's name in the registry.
        arguments: the builder's arguments, or some of them; others have their defaults.

    Raises:
        ArgumentError: (a ValueError) if there are no published weights for the net or its arguments, or they cannot be
            downloaded.
    """
    if weights != "imagenet":
        return weights
    row = published(net)
    include_top, classes = arguments.get("include_top", True), arguments.get("classes", CLASSES)
    if include_top and classes != CLASSES:
        raise ArgumentError(
            f'weights="imagenet" has {CLASSES} classes, not {classes}: pass classes={CLASSES}, or include_top=False.'
        )
    for name, value in row.arguments.items():
        if arguments.get(name, value) != value:
            raise ArgumentError(
                f'weights="imagenet" is for {name}={value!r}, not {arguments[name]!r}: leave one of them out.'
            )
    try:
        return _download(row, include_top)
    except Exception as error:  # Every library has its own error for a missing network.
        raise ArgumentError(
            f'weights="imagenet" of {net} cannot be downloaded ({first_line(error)}): where there is a '
            f"network, download {_address(row, include_top)} and pass its path as weights=."
        ) from error


def published(net: str) -> Published:
    """Returns the `Published` row of a net, or raises ArgumentError."""
    if net not in PUBLISHED:
        raise ArgumentError(
            f'weights="imagenet" of {net}: keras.applications, torchvision and timm publish none for this net; they do '
            f"for {', '.join(sorted(PUBLISHED))}."
        )
    return PUBLISHED[net]


def normalization_of(net: str, weights: str | os.PathLike[str]) -> Normalization | None:
    """Returns the `Normalization` that a net's weights expect, or None if the file does not tell.

    Args:
        net: the net's name in the registry.
        weights: "imagenet", or the path of a file. Files of timm are expected to be like torchvision's of their names.

    Raises:
        ArgumentError: (a ValueError) if there are no such weights.
    """
    if weights == "imagenet":
        return published(net).normalization
    check_file(weights)
    status = os.stat(weights)
    return _normalization_of_file(os.fspath(weights), status.st_mtime_ns, status.st_size)


def filter_of(net: str, normalization: Normalization) -> str | None:
    """Returns the filter of Pillow with which images are resized for a net's weights, or None if unknown.

    Args:
        net: the net's name in the registry.
        normalization: of the weights: that of torchvision's first nets means the bilinear filter, unless the published
            weights of this net, with the same normalization, have another one.
    """
    row = PUBLISHED.get(net)
    if row is not None and row.normalization == normalization:
        return row.pillow_filter
    return "bilinear" if normalization == TORCH else None


@functools.lru_cache
def _normalization_of_file(path, *_):
    """Reads a file once, as long as it does not change, since `preprocess_input` may be called for every batch."""
    family = read_weights(path, say_nothing).family
    return family and family.normalization


def _address(row, include_top):
    file = row.file if include_top or row.notop is None else row.notop
    return f"{HUB_FILE} of {file} from the Hugging Face Hub" if row.source == "timm" else file


def _download(row, include_top):
    if row.source == "timm":
        try:
            from huggingface_hub import hf_hub_download
        except ImportError:
            raise ArgumentError("huggingface_hub is missing: pip install 'keras_resnets[weights]'") from None
        return hf_hub_download(row.file, HUB_FILE)
    whole = include_top or row.notop is None
    address, checksum = (row.file, row.checksum) if whole else (row.notop, row.notop_checksum)
    if row.source == "keras.applications":
        return keras.utils.get_file(os.path.basename(address), address, cache_subdir="models", file_hash=checksum)
    return download(address, checksum)


def download(address: str, checksum: str) -> str:
    """Returns the path of a file that is downloaded once, into Keras's cache.

    Args:
        address: URL.
        checksum: the first digits of the file's SHA-256.

    Raises:
        ArgumentError: (a ValueError) if the file has another checksum; it is deleted then.
    """
    name = os.path.basename(address)
    path = pathlib.Path(keras.utils.get_file(name, address, cache_subdir="models"))
    if not hashlib.sha256(path.read_bytes()).hexdigest().startswith(checksum):
        path.unlink()
        raise ArgumentError(f"{name} was damaged in transit and has been deleted: try again")
    return str(path)
