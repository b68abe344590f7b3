"""The preprocessing of a detector's images: resizing with fixed aspect ratio, and padding to a canvas of fixed size."""

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from keras_resnets.errors import ArgumentError

CANVAS_MULTIPLE = 32  # px, of the sides of torchvision's canvases, and of default ones


@dataclasses.dataclass(frozen=True)
class Resizing:
    """The image size of a detector, the same in training, evaluation and export.

    Attributes:
        short_side: length of the short side after resizing, in pixels, unless the long side would exceed its limit.
        long_side: largest length of the long side, in pixels.
        canvas: height and width of the canvas, in pixels. An image that does not fit is made smaller.
        as_torchvision: whether sides are rounded down, and pixels are interpolated without antialiasing, as in
            torchvision's detectors. Otherwise sides are rounded, and images are made smaller with antialiasing.

    Raises:
        ArgumentError: (a ValueError) for lengths that are not positive integers.
    """

    short_side: int
    long_side: int
    canvas: tuple[int, int]
    as_torchvision: bool = False

    def __post_init__(self):
        object.__setattr__(self, "canvas", tuple(self.canvas))
        if len(self.canvas) != 2 or not 0 < self.short_side <= self.long_side or min(self.canvas) < 1:
            raise ArgumentError(
                f"short_side={self.short_side}, long_side={self.long_side} and canvas={self.canvas} must be positive, "
                "the short side not longer than the long one, and the canvas a height and a width."
            )

    def resize(self, image: tf.Tensor, factor: float | tf.Tensor = 1.0) -> tuple[tf.Tensor, tf.Tensor]:
        """Resizes an image bilinearly.

        Args:
            image: (H, W, 3), of any numeric dtype.
            factor: factor of the short side. The limit of the long side stays.

        Returns:
            The image (h, w, 3) float32, with unchanged values if h = H and w = W; and the scales (h / H, w / W),
            (2,) float32.
        """
        shape = tf.shape(image)[:2]
        size = self.size_of(shape, factor)
        return self.interpolate(image, size), tf.cast(size, tf.float32) / tf.cast(shape, tf.float32)

    def interpolate(self, image: tf.Tensor, size: Sequence[int] | tf.Tensor) -> tf.Tensor:
        """Returns an image (H, W, 3) of any numeric dtype with another height and width, (h, w, 3) float32."""
        # Large photographs are not cast before: as float32 they would need four times the memory.
        return tf.cast(tf.image.resize(image, size, antialias=not self.as_torchvision), tf.float32)

    def size_of(self, shape: tf.Tensor, factor: float | tf.Tensor = 1.0) -> tf.Tensor:
        """Returns the height and width (..., 2) int32 of resized images of heights and widths `shape` (..., 2).

        Args:
            shape: integers.
            factor: see `resize`.
        """
        precise = tf.cast(shape, tf.float64 if self.as_torchvision else tf.float32)
        canvas = tf.constant(self.canvas, precise.dtype)
        short_side = self.short_side * tf.cast(factor, precise.dtype)
        scale = tf.minimum(
            short_side / tf.reduce_min(precise, axis=-1, keepdims=True),
            self.long_side / tf.reduce_max(precise, axis=-1, keepdims=True),
        )
        to_whole = tf.floor if self.as_torchvision else tf.round
        size = to_whole(precise * scale)
        fits = tf.reduce_all(size <= canvas, axis=-1, keepdims=True)
        on_canvas = tf.minimum(scale, tf.reduce_min(canvas / precise, axis=-1, keepdims=True))
        size = tf.where(fits, size, to_whole(precise * on_canvas))
        return tf.clip_by_value(tf.cast(size, tf.int32), 1, self.canvas)

    def pad(self, image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns an image (h, w, 3) in the upper left corner of a canvas of zeros, and (h, w) as (2,) int32."""
        shape = tf.shape(image)[:2]
        missing = tf.constant(self.canvas) - shape
        canvas = tf.pad(image, [[0, missing[0]], [0, missing[1]], [0, 0]])
        return tf.ensure_shape(canvas, [*self.canvas, 3]), shape


# Of torchvision's published detectors, for images of any shape; its canvas is as large as the largest image needs.
TORCHVISION = Resizing(800, 1333, (1344, 1344), as_torchvision=True)


def to_original(boxes: tf.Tensor, scales: tf.Tensor) -> tf.Tensor:
    """Returns boxes (B, N, 4) of resized images in pixels of the originals; `scales` (B, 2) are those of `resize`."""
    return boxes / _factors(scales)


def from_original(boxes: tf.Tensor, scales: tf.Tensor) -> tf.Tensor:
    """Returns boxes (B, N, 4) of original images in pixels of the resized ones: the inverse of `to_original`."""
    return boxes * _factors(scales)


def _factors(scales):
    factors = tf.reverse(scales, axis=[-1])
    return tf.concat([factors, factors], axis=-1)[..., tf.newaxis, :]
