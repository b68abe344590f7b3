"""Finding published weights: where their files are, and the preprocessing that they expect.

Weights of timm come from its repositories on the Hugging Face Hub.
"""

import functools
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from keras_resnets.errors import ArgumentError, first_line
from keras_resnets.normalization import TORCH, Normalization
from keras_resnets.weights.downloads import download, download_from_hub
from keras_resnets.weights.evaluation import Evaluation
from keras_resnets.weights.family import say_nothing
from keras_resnets.weights.loading import check_file, read_weights
from keras_resnets.weights.model_config import CONFIG, PREPROCESSOR, read_config
from keras_resnets.weights.published_files import published, rows_of
from keras_resnets.weights.tags import HUB, is_published, is_repository

HUB_FILE = "model.safetensors"
Weights = TypeVar("Weights", bound=str | os.PathLike[str] | None)  # a builder's argument


def resolve(
    weights: Weights, net: str, arguments: Mapping[str, Any] = MappingProxyType({})
) -> Weights | str | os.PathLike[str]:
    """Returns the path of a builder's weights. Published ones are downloaded, once; a path stays as it is.

    Args:
        weights: the builder's argument.
        net: the net's name in the registry.
        arguments: the builder's arguments, or some of them. Without `classes`, any number of them will do.

    Raises:
        ArgumentError: (a ValueError) if there are no such published weights for the net or its arguments, or they
            cannot be downloaded.
    """
    if not is_published(weights):
        return weights
    include_top = arguments.get("include_top", True)
    classes = arguments.get("classes") if include_top else None
    if is_repository(weights):
        config = _config_of_repository(weights, net)
        _check_classes(weights, config and config.classes, classes)
        return _from_hub(weights, net, weights.removeprefix(HUB))
    row = published(net, weights)
    _check_classes(weights, row.classes, classes)
    for name, value in row.arguments.items():
        if arguments.get(name, value) != value:
            raise ArgumentError(
                f'weights="{weights}" is for {name}={value!r}, not {arguments[name]!r}: leave one of them out.'
            )
    if row.source == "timm":
        return _from_hub(weights, net, row.file)
    return _from_address(weights, row, include_top)


def _check_classes(weights, theirs, ours):
    """Raises ArgumentError if published weights have another number of classes, where both are known."""
    if None in (theirs, ours) or theirs == ours:
        return
    if theirs == 0:
        raise ArgumentError(f'weights="{weights}" has no classifier: pass include_top=False.')
    raise ArgumentError(
        f'weights="{weights}" has {theirs} classes, not {ours}: pass classes={theirs}, or include_top=False.'
    )


def evaluation_of(net: str, weights: str | os.PathLike[str]) -> Evaluation | None:
    """Returns the `Evaluation` for which a net's weights are, or None if nothing tells.

    Args:
        net: the net's name in the registry.
        weights: published ones, or the path of a file. A config.json beside it tells all; without one, the file's names
            tell the library, and so the normalization of most of its weights.

    Raises:
        ArgumentError: (a ValueError) if there are no such weights.
    """
    if is_repository(weights):
        config = _config_of_repository(weights, net)
        if config is None or config.evaluation is None:
            weights = resolve(weights, net, {"include_top": False})
    elif is_published(weights):
        return published(net, weights)
    else:
        check_file(weights)
        config = read_config(weights)
    if config is not None and config.evaluation is not None:
        return config.evaluation
    status = os.stat(weights)
    normalization = _normalization_of_file(os.fspath(weights), status.st_mtime_ns, status.st_size)
    if normalization is None:
        return None
    return Evaluation(normalization=normalization, pillow_filter=_filter(net, normalization))


def normalization_of(net: str, weights: str | os.PathLike[str]) -> Normalization | None:
    """Returns the `Normalization` that a net's weights expect, or None if nothing tells: see `evaluation_of`."""
    evaluation = evaluation_of(net, weights)
    return None if evaluation is None else evaluation.normalization


def _filter(net, normalization):
    """Returns the likeliest filter of Pillow for a file of which only the normalization is known, or None.

    torchvision's normalization means the bilinear filter, unless the "imagenet" of this net, with the same
    normalization, has another one.
    """
    row = next(iter(rows_of(net)), None)
    if row is not None and row.normalization == normalization:
        return row.pillow_filter
    return "bilinear" if normalization == TORCH else None


@functools.lru_cache
def _normalization_of_file(path, *_):
    """Reads a file once, as long as it does not change, since `preprocess_input` may be called for every batch."""
    family = read_weights(path, say_nothing).family
    return family and family.normalization


def _config_of_repository(weights, net):
    repository = weights.removeprefix(HUB)
    path = _from_hub(weights, net, repository, CONFIG)
    config = read_config(path)
    if config is not None and config.evaluation is None:
        _from_hub(weights, net, repository, PREPROCESSOR)  # where transformers has it
        config = read_config(path)
    return config


def _from_hub(weights, net, repository, file=HUB_FILE):
    try:
        return download_from_hub(repository, file)
    except Exception as error:  # Every library has its own error for a missing network.
        raise ArgumentError(
            f'weights="{weights}" of {net}: {file} cannot be downloaded ({first_line(error)}): where there is a '
            f"network, download {HUB_FILE} and {CONFIG} of https://huggingface.co/{repository} into one folder, and "
            f"pass the path of {HUB_FILE} as weights=."
        ) from error


def _from_address(weights, row, include_top):
    whole = include_top or row.notop is None
    address, checksum = (row.file, row.checksum) if whole else (row.notop, row.notop_checksum)
    kind = "md5" if row.source == "keras.applications" else "sha256"
    return download(address, f'weights="{weights}" of {row.net}', "pass its path as weights=", **{kind: checksum})
