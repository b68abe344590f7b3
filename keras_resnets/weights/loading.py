"""Giving the arrays of a file, or of a mapping, to a model: by name, all or nothing."""

import dataclasses
import os
import re
from collections.abc import Mapping

import keras
import numpy as np

from keras_resnets.errors import ArgumentError
from keras_resnets.weights import keras_names, torch_names
from keras_resnets.weights.family import Family
from keras_resnets.weights.hdf5 import is_hdf5, read_hdf5
from keras_resnets.weights.keras_names import CLASSIFIER, our_classifier
from keras_resnets.weights.torch_files import is_pickle, is_safetensors, read_pth, read_safetensors

SHOWN = 3  # names in an error's list


@dataclasses.dataclass(frozen=True)
class Weights:
    """What a file holds.

    Attributes:
        source: how errors call it.
        content: tensor name -> array (PyTorch), or layer name -> list of arrays (Keras).
        family: whose names they are, or None for those of this package.
    """

    source: str
    content: Mapping
    family: Family | None

    @property
    def kernels(self):
        """The number of kernels."""
        return sum(_has_kernel(value) for value in self.content.values())

    def arrays(self, model):
        """Returns layer name -> list of arrays, with the names that this package gives."""
        if self.family is None:
            return our_classifier(self.content)
        return self.family.translate(self.content, [layer.name for layer in model.layers if layer.weights])

    @property
    def structure(self):
        """Pattern of the layers without weights that must be the same as well."""
        return re.compile(keras_names.STRUCTURE if self.family is None else self.family.structure)


def load_weights(model, path, new_classifier=False):
    """Loads a file of weights; the model is unchanged when they do not fit.

    What the file is, is told by its content:

    - HDF5: keras.applications' ResNet50/101/152 (for `ResNet50`, `ResNet101`, `ResNet152`), VGG16, VGG19, InceptionV3
      and InceptionResNetV2 (for `layout="slim"`), as weights or as a whole model; or the .weights.h5 file that
      `model.save_weights` wrote for the same net. See `load_keras_applications`.
    - .safetensors, or .pth where torch is installed: torchvision's or timm's. See `load_torch`.

    A file with a classifier also serves a model without one. Nothing in a file is executed.

    Args:
        model: a model of this package.
        path: the file.
        new_classifier: whether a classifier of another size than the file's is left as it is.

    Returns:
        The names of the layers that were left as they are.

    Raises:
        ArgumentError: (a ValueError) if the file cannot be read, or names what is missing, left over or of another
            shape, and which builder the file is for.
    """
    return _fit(model, read_weights(path), new_classifier)


def load_torch(model, state_dict, new_classifier=False):
    """Gives a model the tensors of a PyTorch net; the model is unchanged when they do not fit.

    torchvision's ResNets (version 1.5: `ResNet18`, `ResNet34`, `ResNet50V1_5`, ...), VGGs and GoogLeNet, timm's
    ResNets, ResNetV2s (`ResNet50V2`, ...), VGGs, Inception-v4 and Inception-ResNet-v2 (`layout="slim"`). Auxiliary
    heads and counters of batches are left out.

    Args:
        model: a model of this package.
        state_dict: tensor name -> NumPy array, or anything that `numpy.asarray` takes.
        new_classifier: as in `load_weights`.

    Returns, Raises:
        As `load_weights`.
    """
    content = {name: np.asarray(value) for name, value in state_dict.items()}
    return _fit(model, _of_torch("state_dict", content), new_classifier)


def load_keras_applications(model, path, new_classifier=False):
    """Loads an HDF5 file of keras.applications, as `load_weights` does.

    The biases of its ResNets' convolutions are folded into the moving means and their other epsilon into the moving
    variances, both exactly; a batch normalization without gamma is one with gamma 1.

    Args:
        model, path, new_classifier: as in `load_weights`.

    Returns, Raises:
        As `load_weights`; an ArgumentError as well for a file of another kind.
    """
    weights = read_weights(path)
    if weights.family not in keras_names.FAMILIES:
        raise ArgumentError(
            f"{weights.source} is not a file of keras.applications: use keras_resnets.weights.load_weights."
        )
    return _fit(model, weights, new_classifier)


def read_weights(path):
    """Reads a file as `Weights`, by its content.

    Raises:
        ArgumentError: if there is no such file, or it is damaged or of no known kind.
    """
    if not os.path.isfile(path):
        raise ArgumentError(
            f'weights={str(path)!r} is neither None, nor "imagenet" for a net with published weights, nor an existing '
            "file: give the path of an .h5, .safetensors or .pth file."
        )
    with open(path, "rb") as file:
        start = file.read(16)
    source = f"weights={str(path)!r}"
    if is_hdf5(start):
        content = read_hdf5(path)
        return Weights(source, content, _family(keras_names.FAMILIES, content))
    if is_safetensors(start):
        return _of_torch(source, read_safetensors(path))
    if is_pickle(start):
        return _of_torch(source, read_pth(path))
    raise ArgumentError(
        f"{source} is not a file of weights: give an .h5, .safetensors or .pth file; download or save it again if it "
        "should be one."
    )


def _of_torch(source, content):
    family = _family(torch_names.FAMILIES, content)
    if family is None:
        shown = ", ".join(list(content)[:SHOWN])
        raise ArgumentError(
            f"{source} has none of the names that are known here ({shown}, ...): give weights of torchvision's ResNet, "
            "VGG or GoogLeNet, or of timm's ResNet, ResNetV2, VGG, Inception-v4 or Inception-ResNet-v2."
        )
    return Weights(source, content, family)


def _family(families, content):
    return next((family for family in families if family.matches(content)), None)


def _has_kernel(value):
    """Whether a tensor, or the first of a layer's arrays, is a kernel."""
    first = value if isinstance(value, np.ndarray) else (value or [np.empty(0)])[0]
    return first.ndim >= 2


def _fit(model, weights, new_classifier):
    arrays, structure = weights.arrays(model), weights.structure
    layers = {layer.name: layer for layer in model.layers if layer.weights or structure.fullmatch(layer.name)}
    arrays = {name: values for name, values in arrays.items() if values or structure.fullmatch(name)}
    for name, layer in layers.items():
        if name in arrays:
            arrays[name] = _with_gamma(layer, arrays[name])
    left = []
    if CLASSIFIER not in layers:
        arrays.pop(CLASSIFIER, None)
    elif new_classifier and _shapes(arrays.get(CLASSIFIER, [])) != _shapes(layers[CLASSIFIER].weights):
        arrays.pop(CLASSIFIER, None)
        layers.pop(CLASSIFIER)
        left.append(CLASSIFIER)
    _check_fit(model, layers, arrays, weights)
    for name, layer in layers.items():
        layer.set_weights(arrays[name])
    return left


def _with_gamma(layer, values):
    if isinstance(layer, keras.layers.BatchNormalization) and layer.scale and len(values) == 3:
        return [np.ones_like(values[0]), *values]
    return values


def _check_fit(model, layers, arrays, weights):
    missing = sorted(layers.keys() - arrays.keys())
    unexpected = sorted(arrays.keys() - layers.keys())
    misshapen = [
        f"{name} is {_shapes(arrays[name])}, not {_shapes(layer.weights)}"
        for name, layer in layers.items()
        if name in arrays and _shapes(arrays[name]) != _shapes(layer.weights)
    ]
    if not (missing or unexpected or misshapen):
        return
    problems = [
        f"{title}: {', '.join(rows[:SHOWN])}{f' and {len(rows) - SHOWN} more' if len(rows) > SHOWN else ''}"
        for title, rows in [("missing", missing), ("left over", unexpected), ("wrong shape", misshapen)]
        if rows
    ]
    remedy = _remedy(missing, unexpected, arrays, layers, weights)
    raise ArgumentError(f"{weights.source} does not fit {model.name}: {'; '.join(problems)}. {remedy}")


def _shapes(values):
    return " ".join("x".join(map(str, value.shape)) for value in values)


def _remedy(missing, unexpected, arrays, layers, weights):
    """Says what the file most likely is."""
    if missing == [CLASSIFIER] and not unexpected:
        return "The file has no classifier: pass include_top=False."
    classes = [value.shape[0] for value in arrays.get(CLASSIFIER, []) if value.ndim == 1]
    if not missing and not unexpected and classes and classes[0] != layers[CLASSIFIER].units:
        return f"The file has {classes[0]} classes: pass classes={classes[0]}, or include_top=False."
    if weights.family is not None:
        builder = weights.family.builder(weights.kernels)
        return f"The file holds weights of {weights.family.title}{f': use {builder}' if builder else ''}."
    depth = _depth(arrays)
    if depth is not None and depth != _depth(layers):
        return f"The file holds a {depth}-layer residual net: use the builder of that depth."
    if all(name.endswith("_2_pad") for name in missing + unexpected) and missing + unexpected:
        version = (
            "1 (stride in the 1x1): use the builder without" if missing else "1.5 (stride in the 3x3): use that with"
        )
        return f"The file holds a net of version {version} V1_5."
    return "Use the builder and the arguments that the file was made with."


def _depth(names):
    """Weight layers on the longest path: the branches' convolutions, the first one and the classifier."""
    in_branches = [name for name in names if re.fullmatch(r"conv\d+_block\d+_[1-9]_conv", name)]
    return len(in_branches) + 2 if in_branches else None
