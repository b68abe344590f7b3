"""Loading weights from a file, whatever it is, or from a mapping."""

import dataclasses
import os
import re
from collections.abc import Mapping

import numpy as np

from keras_resnets.errors import ArgumentError
from keras_resnets.weights import keras_names, torch_names
from keras_resnets.weights.family import Family
from keras_resnets.weights.fitting import SHOWN, fit
from keras_resnets.weights.hdf5 import is_hdf5, read_hdf5
from keras_resnets.weights.keras_names import our_classifier
from keras_resnets.weights.torch_files import is_pickle, is_safetensors, read_pth, read_safetensors


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
        return self.family.translate(self.content, [layer for layer in model.layers if layer.weights])

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

    A file with a classifier or an auxiliary head also serves a model without one. Nothing in a file is executed. What
    has no weights cannot be compared: the scales of residuals, or how a variant of timm pools.

    Args:
        model: a model of this package.
        path: the file.
        new_classifier: whether a classifier, or a layer of an auxiliary head, is left as it is where the file has none
            of its size.

    Returns:
        The names of the layers that were left as they are.

    Raises:
        ArgumentError: (a ValueError) if the file cannot be read, or names what is missing, left over or of another
            shape, and which builder the file is for.
    """
    return fit(model, read_weights(path), new_classifier)


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
    if not isinstance(state_dict, Mapping):
        raise ArgumentError(
            f"state_dict is a {type(state_dict).__name__}: pass a dict of arrays, or a file to load_weights."
        )
    content = {name: np.asarray(value) for name, value in state_dict.items()}
    return fit(model, _of_torch("state_dict", content), new_classifier)


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
    return fit(model, weights, new_classifier)


def check_file(path):
    """Raises ArgumentError if there is no such file."""
    if not isinstance(path, (str, os.PathLike)) or not os.path.isfile(path):
        raise ArgumentError(
            f"weights={str(path)!r} is no existing file: give the path of an .h5, .safetensors or .pth file (or, for a "
            'net with published weights, "imagenet").'
        )


def read_weights(path):
    """Reads a file as `Weights`, by its content.

    Raises:
        ArgumentError: if there is no such file, or it is damaged or of no known kind.
    """
    check_file(path)
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
            f"{source} has none of the names that are known here, but {shown or 'none at all'}: give weights of "
            "torchvision's ResNet, VGG or GoogLeNet, or of timm's ResNet, ResNetV2, VGG, Inception-v4 or "
            "Inception-ResNet-v2, and leave out a prefix like module."
        )
    return Weights(source, content, family)


def _family(families, content):
    return next((family for family in families if family.matches(content)), None)


def _has_kernel(value):
    """Whether a tensor, or the first of a layer's arrays, is a kernel."""
    first = value if isinstance(value, np.ndarray) else (value or [np.empty(0)])[0]
    return first.ndim >= 2
