"""Loading weights from a file of any known kind, or from a mapping."""

import dataclasses
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_resnets.errors import ArgumentError
from keras_resnets.images.formats import GIT_LFS
from keras_resnets.surgery.graph import leaf_layers
from keras_resnets.weights import keras_names, torch_detectors, torch_names
from keras_resnets.weights.family import Arrays, Family, say
from keras_resnets.weights.fitting import SHOWN, fit
from keras_resnets.weights.hdf5 import is_hdf5, read_hdf5
from keras_resnets.weights.keras_files import is_keras_model, weights_in_model
from keras_resnets.weights.keras_names import our_classifier
from keras_resnets.weights.model_config import read_config
from keras_resnets.weights.torch_checkpoints import find_state_dict, part_of_a_family, without_shared_prefix
from keras_resnets.weights.torch_files import as_array, is_pickle, is_safetensors, read_pth, read_safetensors

# The first names of what torchvision's, detectron2's and MMDetection's detectors have besides a classification net.
DETECTOR = re.compile(r"(module\.)?(rpn|roi_heads|rpn_head|roi_head|bbox_head|proposal_generator|head\.\w+_head)\.")
TORCH_FAMILIES = [*torch_names.FAMILIES, torch_detectors.FAMILY]


@dataclasses.dataclass(frozen=True)
class Weights:
    """The content of a file.

    Attributes:
        source: the name of the file in error messages.
        content: arrays by tensor name (PyTorch), or lists of arrays by layer name (Keras).
        family: the family that the names belong to, or None for those of this package.
    """

    source: str
    content: Mapping
    family: Family | None

    @property
    def kernels(self) -> int:
        """The number of kernels."""
        return sum(_has_kernel(value) for value in self.content.values())

    def arrays(self, model: keras.Model) -> Arrays:
        """Returns the arrays of each layer by the names of this package."""
        if self.family is None:
            return our_classifier(self.content)
        return self.family.translate(self.content, [layer for layer in leaf_layers(model) if layer.weights])

    @property
    def structure(self) -> re.Pattern[str]:
        """Pattern of the layers without weights that must be the same as well."""
        return re.compile(keras_names.STRUCTURE if self.family is None else self.family.structure)


def load_weights(
    model: keras.Model,
    path: str | os.PathLike[str],
    new_classifier: bool = False,
    frozen_batch_norm_epsilon: float | None = None,
) -> list[str]:
    """Loads a file of weights; the model is unchanged if they do not fit.

    The content of the file tells its kind:

    - HDF5: keras.applications' ResNet50/101/152 (for `ResNet50`, `ResNet101`, `ResNet152`), VGG16, VGG19, InceptionV3
      and InceptionResNetV2 (for `layout="slim"`), as weights or as a whole model; or the .weights.h5 file that
      `model.save_weights` wrote for the same net. Also a model of these two kinds that holds such a net as a layer, of
      which the layers around the net are left out. See `load_keras_applications`.
    - .keras, which `model.save` wrote: likewise.
    - .safetensors, or .pth where torch is installed: torchvision's, timm's or Hugging Face's. See `load_torch`.

    A file with a classifier or an auxiliary head also serves a model without one. Nothing in a file is executed. Parts
    without weights cannot be compared, such as the scales of residuals, or the pooling of a variant of timm; but a
    config.json of timm or transformers in the same folder is read, and a net of another function refused.

    Args:
        model: a model of this package.
        path: the file.
        new_classifier: whether to leave a classifier, or a layer of an auxiliary head, as it is if the file has none of
            its size.
        frozen_batch_norm_epsilon: epsilon of frozen batch normalization, which torchvision's detectors have and no file
            states. torchvision builds them with 1e-5, and with 0 if they start from its version 1 for COCO
            (`weights=COCO_V1`), fine-tuned or not. None is 1e-5, which is said on stderr. It has no meaning for other
            files.

    Returns:
        The names of the layers that were left as they are.

    Raises:
        ArgumentError: (a ValueError) if the file cannot be read, or does not fit. The message names what is missing,
            left over or of another shape, and the builder that the file is for.
    """
    weights = _with_our_epsilon(read_weights(path), frozen_batch_norm_epsilon)
    return fit(model, weights, new_classifier)


def load_torch(
    model: keras.Model,
    state_dict: Mapping[str, Any],
    new_classifier: bool = False,
    frozen_batch_norm_epsilon: float | None = None,
) -> list[str]:
    """Gives a model the tensors of a PyTorch net; the model is unchanged if they do not fit.

    These nets are known: torchvision's ResNets (version 1.5: `ResNet18`, `ResNet34`, `ResNet50V1_5`, ...), VGGs and
    GoogLeNet; timm's ResNets, ResNetV2s (`ResNet50V2`, ...), VGGs, Inception-v4 and Inception-ResNet-v2
    (`layout="slim"`); Hugging Face's ResNets (version 1.5). Auxiliary heads and counters of batches are left out.

    A prefix that all names share, as of `torch.compile` and `DataParallel`, is taken off. Of a checkpoint that holds
    more than the net, its entry "state_dict", "model" or the like is read; averaged weights ("model_ema") come first.
    Both are said on stderr.

    Args:
        model: a model of this package.
        state_dict: arrays or PyTorch tensors by name, or a checkpoint with such an entry.
        new_classifier, frozen_batch_norm_epsilon: as in `load_weights`.

    Returns, Raises:
        As `load_weights`.
    """
    if not isinstance(state_dict, Mapping):
        raise ArgumentError(
            f"state_dict is a {type(state_dict).__name__}: pass a dict of arrays, or a file to load_weights."
        )
    weights = _with_our_epsilon(_of_torch("state_dict", state_dict, say), frozen_batch_norm_epsilon)
    return fit(model, weights, new_classifier)


def load_keras_applications(
    model: keras.Model, path: str | os.PathLike[str], new_classifier: bool = False
) -> list[str]:
    """Loads an HDF5 file of keras.applications, as `load_weights` does.

    In its ResNets, the biases of convolutions are folded into the moving means, and the different epsilon into the
    moving variances, both exactly. A batch normalization without gamma becomes one with gamma 1.

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


def check_file(path: str | os.PathLike[str]) -> None:
    """Raises ArgumentError if there is no such file."""
    if not isinstance(path, (str, os.PathLike)) or not os.path.isfile(path):
        raise ArgumentError(
            f"weights={str(path)!r} is not an existing file: give the path of an .h5, .keras, .safetensors or .pth "
            'file or, to the builder of a net that keras_resnets.list_weights() has, "imagenet" or a tag.'
        )


def read_weights(path: str | os.PathLike[str], say: Callable[[str], None] = say) -> Weights:
    """Reads a file as `Weights`; its content tells its kind.

    Args:
        path: the file.
        say: function that is called with each message about how the file was understood; the default prints to stderr.

    Raises:
        ArgumentError: if there is no such file, or it is damaged or of no known kind, or the config.json beside it says
            that its net is none of this package.
    """
    check_file(path)
    read_config(path)
    with open(path, "rb") as file:
        start = file.read(16)
    source = f"weights={str(path)!r}"
    is_model = is_keras_model(path)
    if is_model or is_hdf5(start):
        content = read_hdf5(source, weights_in_model(source, path) if is_model else path, say)
        return Weights(source, content, _family(keras_names.FAMILIES, content))
    if is_safetensors(start):
        return _of_torch(source, read_safetensors(path), say)
    if is_pickle(start):
        return _of_torch(source, read_pth(path), say)
    if start == GIT_LFS:
        raise ArgumentError(f"{source} is a pointer of Git LFS, not the file itself: run git lfs pull.")
    raise ArgumentError(
        f"{source} is not a file of weights: give an .h5, .keras, .safetensors or .pth file; download or save it "
        "again if it should be one."
    )


def _of_torch(source, content, say):
    tensors = find_state_dict(source, content, say)
    renamed, family = without_shared_prefix(source, tensors, TORCH_FAMILIES, say)
    if family is None:
        raise ArgumentError(f"{source} {_unknown(tensors)}")
    return Weights(source, {name: as_array(value) for name, value in renamed.items()}, family)


def _with_our_epsilon(weights, epsilon):
    """Returns weights for batch normalization of this package's epsilon; says that of a detector if none is given."""
    if weights.family is not torch_detectors.FAMILY or not torch_detectors.is_frozen(weights.content):
        return weights
    if epsilon is None:
        epsilon = torch_detectors.EPSILON
        say(
            f"{weights.source} has frozen batch normalization, for which an epsilon of {epsilon:g} is assumed: pass "
            "frozen_batch_norm_epsilon=0 if it is torchvision's detector of version 1 for COCO, or fine-tuned from it."
        )
    return dataclasses.replace(weights, content=torch_detectors.with_our_epsilon(weights.content, epsilon))


def _unknown(tensors):
    """Returns why tensors are no known net's, and what to do."""
    if not tensors:
        return "has no tensors: save model.state_dict() of the PyTorch model."
    if any(DETECTOR.match(name) for name in tensors):
        return (
            "is the file of a detector whose names are not known. Those of torchvision's "
            f"{', '.join(torch_detectors.NETS.values())} are: keras_resnets.create_detector takes them. Or give "
            "weights of a classification net."
        )
    part = part_of_a_family(tensors, TORCH_FAMILIES)
    if part is not None:
        return f"holds a known net under the names {part}*, among others: save its tensors alone."
    return (
        f"has unknown tensor names: {', '.join(list(tensors)[:SHOWN])}; give weights of torchvision's ResNet, VGG or "
        "GoogLeNet, of timm's ResNet, ResNetV2, VGG, Inception-v4 or Inception-ResNet-v2, or of Hugging Face's ResNet."
    )


def _family(families: Sequence[Family], content: Mapping) -> Family | None:
    return next((family for family in families if family.matches(content)), None)


def _has_kernel(value):
    """Returns whether a tensor, or the first of a layer's arrays, is a kernel."""
    first = value if isinstance(value, np.ndarray) else (value or [np.empty(0)])[0]
    return first.ndim >= 2
