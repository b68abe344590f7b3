"""What is known of files that others publish: whose they are, which net they hold, and what it expects of images."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

NOTHING = "(?!)"  # a pattern that no name matches
Arrays = dict[str, list[np.ndarray]]  # of each layer, in the order of Keras


@dataclasses.dataclass(frozen=True)
class Normalization:
    """What is subtracted from images of 0..255 and what they are divided by; `bgr` is the order of channels after."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    bgr: bool = False


CAFFE = Normalization((123.68, 116.779, 103.939), (1.0, 1.0, 1.0), bgr=True)
TORCH = Normalization((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
INCEPTION = Normalization((127.5, 127.5, 127.5), (127.5, 127.5, 127.5))


@dataclasses.dataclass(frozen=True)
class Family:
    """Files whose names follow one scheme.

    Attributes:
        title: e.g. "torchvision's ResNet".
        matches: whether a mapping of names, to tensors or to layers' arrays, is of this family.
        translate: function from that mapping and the model's layers with weights to `Arrays` with our names.
        normalization: what the nets expect of an image.
        nets: number of kernels, with the classifier's -> our builder.
        structure: pattern of our layers without weights that the arrays name as well.
    """

    title: str
    matches: Callable[[Mapping], bool]
    translate: Callable[[Mapping, list], Arrays]
    normalization: Normalization
    nets: Mapping[int, str]
    structure: str

    def builder(self, kernels):
        """Returns our builder for files with so many kernels, or None; without its classifier a net has one less."""
        return self.nets.get(kernels) or self.nets.get(kernels + 1)
