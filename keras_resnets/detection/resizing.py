"""What a detector does to an image first: resize it with its proportions, and pad it to a canvas of fixed size."""

import dataclasses

import tensorflow as tf

from keras_resnets.errors import ArgumentError


@dataclasses.dataclass(frozen=True)
class Resizing:
    """The same in training, evaluation and export.

    Attributes:
        short_side: length of the image's short side after resizing, in pixels, unless the long one would be too long.
        long_side: largest length of the long side.
        canvas: height and width of the canvas; an image that does not fit becomes smaller until it does.

    Raises:
        ArgumentError: (a ValueError) for lengths that are not positive integers.
    """

    short_side: int
    long_side: int
    canvas: tuple[int, int]

    def __post_init__(self):
        object.__setattr__(self, "canvas", tuple(self.canvas))
        if len(self.canvas) != 2 or not 0 < self.short_side <= self.long_side or min(self.canvas) < 1:
            raise ArgumentError(
                f"short_side={self.short_side}, long_side={self.long_side} and canvas={self.canvas} must be positive, "
                "the short side not longer than the long one, and the canvas a height and a width."
            )

    def resize(self, image, factor=1.0):
        """Resizes an image (H, W, 3), any number type, bilinearly with antialiasing.

        Args:
            image: the image.
            factor: of the short side; the long side's limit stays.

        Returns:
            (h, w, 3) float32, which keeps its values where h = H and w = W; and (2,) float32, h / H and w / W.
        """
        shape = tf.shape(image)[:2]
        precise = tf.cast(shape, tf.float32)
        scale = tf.reduce_min(
            [
                self.short_side * factor / tf.reduce_min(precise),
                self.long_side / tf.reduce_max(precise),
                *tf.unstack(tf.constant(self.canvas, tf.float32) / precise),
            ]
        )
        target = tf.clip_by_value(tf.cast(tf.round(precise * scale), tf.int32), 1, self.canvas)
        resized = tf.image.resize(tf.cast(image, tf.float32), target, antialias=True)
        return resized, tf.cast(target, tf.float32) / precise

    def pad(self, image):
        """Returns an image (h, w, 3) in the top left corner of a canvas of zeros, and (2,) int32, its h and w."""
        shape = tf.shape(image)[:2]
        missing = tf.constant(self.canvas) - shape
        canvas = tf.pad(image, [[0, missing[0]], [0, missing[1]], [0, 0]])
        return tf.ensure_shape(canvas, [*self.canvas, 3]), shape


def to_original(boxes, scales):
    """Returns boxes (B, N, 4) in pixels of the original images, which were scaled by (B, 2), height first."""
    return boxes / _factors(scales)


def from_original(boxes, scales):
    """Returns what `to_original` would turn into boxes (B, N, 4) in pixels of the original images."""
    return boxes * _factors(scales)


def _factors(scales):
    factors = tf.reverse(scales, axis=[-1])
    return tf.concat([factors, factors], axis=-1)[..., tf.newaxis, :]
