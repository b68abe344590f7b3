"""How the publisher of weights evaluates them."""

import dataclasses

from keras_resnets.errors import ArgumentError, check_choice
from keras_resnets.normalization import Normalization

FILTERS = ("bilinear", "bicubic")  # Pillow's names


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The preprocessing of images with which a net's weights are evaluated; None stands for what is unknown.

    Attributes:
        normalization: the normalization of images that the net expects.
        size: side of the net's square input, in pixels.
        crop: `size` divided by the image's short side after resizing, in (0, 1].
        pillow_filter: the filter of Pillow with which images are resized, "bilinear" or "bicubic".

    Raises:
        ArgumentError: (a ValueError) for other values.
    """

    normalization: Normalization
    size: int | None = None
    crop: float | None = None
    pillow_filter: str | None = None

    def __post_init__(self):
        check_choice("interpolation", self.pillow_filter, [None, *FILTERS])
        if self.size is not None and not (type(self.size) is int and 0 < self.size < 2**15):
            raise ArgumentError(f"size={self.size!r} must be a positive integer below 32,768.")
        if self.crop is not None and not (isinstance(self.crop, (int, float)) and 0.01 <= self.crop <= 1):
            raise ArgumentError(f"crop={self.crop!r} must be a number from 0.01 to 1.")
