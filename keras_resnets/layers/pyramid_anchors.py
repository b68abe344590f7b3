"""Anchors of a feature pyramid."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_resnets.errors import ArgumentError
from keras_resnets.layers.anchor_generator import AnchorGenerator


@keras.saving.register_keras_serializable(package="keras_resnets")
class PyramidAnchors(keras.layers.Layer):
    """The anchors of all levels of a feature pyramid, of one size a level (FPN, arXiv 1612.03144, section 4.1).

    Input: a list of features (B, h, w, C), one of each level. Output: a list of (h * w * k, 4) float32, the anchors of
    each level: see `keras_resnets.layers.AnchorGenerator`.

    Args:
        sizes: square roots of the areas, in pixels, one for each level.
        ratios, offset, rounding: see `AnchorGenerator`.
        strides: pixels of the image per cell of each level.
        floor_strides: whether a level's stride is the side of the finest map, in pixels, divided by that of the
            level's map and rounded down, as in torchvision. It is less than in `strides` where a map's side is odd.

    Raises:
        ArgumentError: (a ValueError) for other than one size for each stride, and as `AnchorGenerator` does.
    """

    def __init__(
        self,
        sizes: Sequence[float] = (32, 64, 128, 256, 512),
        ratios: Sequence[float] = (0.5, 1, 2),
        strides: Sequence[int] = (4, 8, 16, 32, 64),
        offset: float = 0.5,
        rounding: str | None = None,
        floor_strides: bool = False,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        self.sizes, self.ratios, self.strides = tuple(sizes), tuple(ratios), tuple(strides)
        self.offset, self.rounding, self.floor_strides = offset, rounding, floor_strides
        if len(self.sizes) != len(self.strides):
            raise ArgumentError(
                f"anchor_sizes={self.sizes} must be {len(self.strides)} numbers, one for each level, with the strides "
                f"{self.strides}."
            )
        self.generators = [
            AnchorGenerator([size], ratios, stride, offset, rounding)
            for size, stride in zip(self.sizes, self.strides, strict=True)
        ]

    @property
    def per_cell(self) -> int:
        """The number of anchors per cell."""
        return len(self.ratios)

    def call(self, features):
        return [
            generator(part, strides=self._strides(features[0], part))
            for generator, part in zip(self.generators, features)
        ]

    def _strides(self, finest, part):
        """Returns the vertical and horizontal stride of a level, or None for that of its generator."""
        if not self.floor_strides:
            return None
        return [self.strides[0] * finest.shape[axis] // part.shape[axis] for axis in (1, 2)]

    def get_config(self):
        names = ["sizes", "ratios", "strides", "offset", "rounding", "floor_strides"]
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
