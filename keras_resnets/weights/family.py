"""Families of published files: how their names are translated, which nets they hold, and how images are normalized."""

import dataclasses
import sys
from collections.abc import Callable, Mapping

import numpy as np

from keras_resnets.normalization import Normalization

CLASSIFIER = "predictions"  # the layer of our nets that has the classes
OF_CLASSES = (CLASSIFIER, "class_logits", "box_deltas", "mask_logits")  # layers whose size is that of the classes
NOTHING = "(?!)"  # a pattern that no name matches
Arrays = dict[str, list[np.ndarray]]  # the arrays of each layer, in the order of Keras


@dataclasses.dataclass(frozen=True)
class Family:
    """Files whose names follow one scheme.

    Attributes:
        title: e.g. "torchvision's ResNet".
        matches: function that tells whether a mapping from names to tensors or to layers' arrays is of this family.
        translate: function from that mapping and the model's layers with weights to `Arrays` with our names.
        normalization: the normalization of images that the nets expect.
        nets: our builders by the number of kernels in a file, with the classifier's.
        structure: pattern of our layers without weights that the arrays name as well.
        is_detector: whether the nets find objects, and do not classify images.
    """

    title: str
    matches: Callable[[Mapping], bool]
    translate: Callable[[Mapping, list], Arrays]
    normalization: Normalization
    nets: Mapping[int, str]
    structure: str
    is_detector: bool = False

    def builder(self, kernels: int) -> str | None:
        """Returns our builder for files with this number of kernels, with or without the classifier's, or None."""
        return self.nets.get(kernels) or self.nets.get(kernels + 1)


def say(message: str) -> None:
    """Says on stderr how a file was understood, where that could have been meant otherwise."""
    print(message, file=sys.stderr)


def say_nothing(message: str) -> None:
    """Leaves out what `say` would say: the file is read again to be loaded."""
