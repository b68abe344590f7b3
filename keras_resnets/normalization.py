"""Normalization of images, and the statistics that published weights expect."""

import dataclasses
from typing import Any

import keras
import numpy as np

from keras_resnets.errors import ArgumentError
from keras_resnets.values import is_finite


@dataclasses.dataclass(frozen=True)
class Normalization:
    """(images - mean) / std, for images (..., 3) RGB, 0..255.

    Attributes:
        mean: mean of each channel (red, green, blue), in 0..255; it is subtracted.
        std: standard deviation of each channel, in 0..255; images are divided by it.
        bgr: whether the result has the channels in the order blue, green, red.

    Raises:
        ArgumentError: (a ValueError) for other than three numbers, or a standard deviation that is not positive.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    bgr: bool = False

    def __post_init__(self):
        try:
            mean, std = (tuple(map(float, values)) for values in (self.mean, self.std))
            if not (len(mean) == len(std) == 3 and all(map(is_finite, mean + std)) and min(std) > 0):
                raise ValueError
        except (TypeError, ValueError):
            raise ArgumentError(
                f"mean={self.mean} and std={self.std} must have three values, std's positive."
            ) from None
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "std", std)

    def normalize(self, images: Any) -> Any:
        """Returns (images - mean) / std, (..., 3) float32, for images of any number type, or a Keras tensor."""
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        normalized = (keras.ops.cast(images, "float32") - mean) / std
        return keras.ops.flip(normalized, axis=-1) if self.bgr else normalized


CAFFE = Normalization((123.68, 116.779, 103.939), (1.0, 1.0, 1.0), bgr=True)
TORCH = Normalization((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))  # of ImageNet's training images
INCEPTION = Normalization((127.5, 127.5, 127.5), (127.5, 127.5, 127.5))


def check_channels(images: Any) -> None:
    """Raises ArgumentError for images, (..., H, W, C), of other than three channels, or of an unknown number."""
    shape = tuple(images.shape) if hasattr(images, "shape") else np.shape(images)
    if shape[-1:] == (3,):
        return
    remedies = {
        4: "leave out the transparency of RGBA: images[..., :3]",
        1: "repeat the channel of grayscale: np.repeat(images, 3, axis=-1)",
        None: "their number is unknown, or not that of the last call: see whether all have three",
    }
    remedy = remedies.get(shape[-1] if len(shape) > 2 else 0, "pass (..., H, W, 3) RGB")
    raise ArgumentError(f"images={shape} must have three channels, the last: {remedy}.")
