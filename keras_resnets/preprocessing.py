"""Preparing images for nets: pure functions of TensorFlow tensors, the same in training, evaluation and export.

Shapes: B batch, H and W height and width in pixels. Images are RGB, 0..255, channels last.
"""

import dataclasses
import os
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from keras_resnets.errors import ArgumentError, check_choice
from keras_resnets.images.decoding import decode as decode
from keras_resnets.models.registry import find
from keras_resnets.normalization import Normalization, check_channels
from keras_resnets.weights.imagenet_names import imagenet_names
from keras_resnets.weights.published import evaluation_of, normalization_of
from keras_resnets.weights.published_files import CLASSES

KERNELS = {"bilinear": "triangle", "bicubic": "keyscubic"}  # TensorFlow's names of Pillow's filters


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """The evaluation transform: resize the short side, crop the center, normalize.

    Attributes:
        size: side of the net's square input, in pixels.
        short_side: length of the image's short side after resizing, in pixels; at least `size`.
        mean: mean of each channel (red, green, blue), in 0..255; it is subtracted.
        std: standard deviation of each channel, in 0..255; images are divided by it.
        bgr: whether the net takes the channels in the order blue, green, red.
        pillow_filter: "bilinear" or "bicubic", to resize and crop as torchvision and timm do, with this filter of
            Pillow: equal to them but for rounding, with the images of `decode(..., exact=True)`. None for the papers'
            way: the long side and the place of the crop are rounded otherwise, and pixels are not rounded.
    """

    size: int
    short_side: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    bgr: bool = False
    pillow_filter: Literal["bilinear", "bicubic"] | None = None

    def __post_init__(self):
        check_choice("pillow_filter", self.pillow_filter, [None, *KERNELS])
        object.__setattr__(self, "mean", self.normalization.mean)
        object.__setattr__(self, "std", self.normalization.std)
        if not 0 < self.size <= self.short_side:
            raise ArgumentError(f"short_side={self.short_side} must be at least size={self.size}, which is positive.")

    @property
    def exact(self) -> bool:
        """Whether images must be decoded exactly: see `decode`."""
        return self.pillow_filter is not None

    @property
    def normalization(self) -> Normalization:
        """The `Normalization` of the cropped image."""
        return Normalization(self.mean, self.std, self.bgr)

    def for_weights(self, net: str, weights: str | os.PathLike[str]) -> "Preprocessing":
        """Returns the preprocessing that weights expect, with the size of this one.

        Args:
            net: name of the net in the registry.
            weights: what a builder takes as `weights`. If nothing tells, the result is this preprocessing.
        """
        evaluation = evaluation_of(net, weights)
        if evaluation is None:
            return self
        short_side = self.short_side
        if evaluation.crop is not None and self.short_side > self.size:
            short_side = int(self.size / evaluation.crop)  # rounded down, as in timm and torchvision
        normalization = dataclasses.asdict(evaluation.normalization)
        changes = {"short_side": short_side, "pillow_filter": evaluation.pillow_filter, **normalization}
        return dataclasses.replace(self, **changes)

    def crop(self, images: Any) -> tf.Tensor:
        """Resizes images and crops their center.

        Args:
            images: (H, W, 3) or (B, H, W, 3), any number type.

        Returns:
            (size, size, 3) or (B, size, size, 3) float32, 0..255. Images keep their aspect ratio; an image whose short
            side has the right length already keeps its values.
        """
        images = tf.convert_to_tensor(images)
        if images.shape[-3:-1] == (self.size, self.size) and self.short_side == self.size:
            return tf.cast(images, tf.float32)
        batch = images if images.shape.rank == 4 else images[tf.newaxis]
        if self.pillow_filter is None:
            cropped = resize_and_crop(batch, self.size, self.short_side)
        else:
            cropped = _resize_and_crop_as_pillow(batch, self.size, self.short_side, KERNELS[self.pillow_filter])
        return cropped if images.shape.rank == 4 else cropped[0]

    def normalize(self, images: Any) -> Any:
        """Returns (images - mean) / std, (..., 3) float32, in the net's order of channels."""
        return self.normalization.normalize(images)

    def __call__(self, images: Any) -> tf.Tensor:
        """Returns the net's input for images (H, W, 3) or (B, H, W, 3): `normalize(crop(images))`."""
        return self.normalize(self.crop(images))


def resize_and_crop(images: tf.Tensor, size: int, short_side: int | tf.Tensor) -> tf.Tensor:
    """Resizes images and crops their center.

    Args:
        images: (B, H, W, 3), any number type.
        size: side of the crop, in pixels.
        short_side: length of the short side of the resized images, in pixels, at least `size`.

    Returns:
        (B, size, size, 3) float32. Images whose short side has this length already keep their values.
    """
    shape = resized_shape(tf.shape(images)[1:3], short_side)
    cropped = resized_window(images, shape, tf.floor((shape - size) / 2), [size, size])
    return tf.ensure_shape(cropped, [images.shape[0], size, size, 3])


def _resize_and_crop_as_pillow(images, size, short_side, kernel):
    """Returns what torchvision's `Resize(short_side)` and `CenterCrop(size)` make of Pillow images, as float32."""
    with tf.device("CPU:0"):  # see `resized_window`
        before = tf.cast(tf.shape(images)[1:3], tf.int64)
        shape = short_side * before // tf.reduce_min(before)  # The long side is rounded down.
        offset = tf.round(tf.cast(shape - size, tf.float32) / 2)
        scale = tf.cast(shape, tf.float32) / tf.cast(before, tf.float32)

        def resized(images, axis):
            rows = _resized_rows(images, size, scale[axis], -offset[axis], kernel)
            return tf.clip_by_value(tf.floor(rows + 0.5), 0, 255)  # Pillow keeps whole numbers.

        columns = resized(tf.transpose(images, [0, 2, 1, 3]), 1)
        cropped = resized(tf.transpose(columns, [0, 2, 1, 3]), 0)
        return tf.ensure_shape(cropped, [images.shape[0], size, size, 3])


def resized_shape(shape: Any, short_side: int | tf.Tensor) -> tf.Tensor:
    """Returns the height and width, (2,) float32 and whole, of an image after resizing its short side.

    Args:
        shape: (2,), height and width before, in pixels.
        short_side: length of the short side after resizing, in pixels.
    """
    shape, short_side = tf.cast(shape, tf.float32), tf.cast(short_side, tf.float32)
    return tf.maximum(tf.round(shape * short_side / tf.reduce_min(shape)), short_side)


def resized_window(images: tf.Tensor, shape: Any, offset: Any, size: Any) -> tf.Tensor:
    """Resizes images, bilinearly with antialiasing, and crops a window, as `tf.image.resize` and a slice do.

    Only the window is computed: an image that is one pixel wide and thousands high would not fit in memory after
    resizing.

    Args:
        images: (B, H, W, 3), any number type.
        shape: (2,), height and width of the whole image after resizing.
        offset: (2,), top and left of the window in it.
        size: (2,) integers, height and width of the window.

    Returns:
        (B, h, w, 3) float32. Images that have this shape already keep their values.
    """
    # The kernel has no version for GPUs: what lies between its two calls stays where it runs.
    with tf.device("CPU:0"):
        scale = tf.cast(shape, tf.float32) / tf.cast(tf.shape(images)[1:3], tf.float32)
        translation = -tf.cast(offset, tf.float32)
        # One call for both directions gives the same bits, but takes twice as long: it is slow for columns.
        rows = _resized_rows(images, size[0], scale[0], translation[0])
        columns = _resized_rows(tf.transpose(rows, [0, 2, 1, 3]), size[1], scale[1], translation[1])
        return tf.transpose(columns, [0, 2, 1, 3])


def _resized_rows(images, size, scale, translation, kernel="triangle"):
    """Returns `size` rows of images whose height is multiplied by `scale`, then moved down by `translation` pixels."""
    shape = tf.shape(images)
    resized = tf.raw_ops.ScaleAndTranslate(
        images=tf.reshape(images, [shape[0], shape[1], 1, shape[2] * shape[3]]),  # A row is a single pixel.
        size=[size, 1],
        scale=[scale, 1.0],
        translation=[translation, 0.0],
        kernel_type=kernel,
        antialias=True,
    )
    resized = tf.reshape(resized, [shape[0], size, shape[2], shape[3]])
    return tf.ensure_shape(resized, [images.shape[0], tf.get_static_value(size), *images.shape[2:]])


def preprocess_input(images: Any, net: str, weights: str | os.PathLike[str] = "imagenet") -> Any:
    """Normalizes images as weights expect, for Keras code. It neither resizes nor crops them.

    Args:
        images: (..., 3) RGB, 0..255, any number type; or a Keras tensor, in a model.
        net: name of the net in the registry, e.g. "resnet50".
        weights: what a builder takes as `weights`: "imagenet", a tag, a repository, or the path of a file.

    Returns:
        (..., 3) float32.

    Raises:
        ArgumentError: (a ValueError) for images of other than three channels, if there are no such weights, or if they
            do not tell what they expect.
    """
    find(net)  # An unknown name is an error, also together with a path.
    check_channels(images)
    normalization = normalization_of(net, weights)
    if normalization is None:
        raise ArgumentError(
            f"weights={str(weights)!r} does not record its normalization: use what it was trained with."
        )
    return normalization.normalize(images)


def decode_predictions(predictions: Any, top: int = 5) -> list[list[tuple[str, str, float]]]:
    """Returns the likeliest classes of ImageNet, as `keras.applications` does.

    The names are those that timm has, if it is installed, or else those of Keras's file, which is downloaded once.

    Args:
        predictions: (B, 1000) probabilities, or logits, of a net with ImageNet's classes.
        top: number of classes.

    Returns:
        For each image, tuples (WordNet's number, name, probability), the likeliest first: ("n01440764", "tench", 0.9).

    Raises:
        ArgumentError: (a ValueError) for predictions of other classes, or if there are no names.
    """
    predictions = keras.ops.convert_to_numpy(predictions)
    if predictions.ndim != 2 or predictions.shape[1] != CLASSES:
        raise ArgumentError(
            f"predictions={predictions.shape} must be (B, {CLASSES}), of ImageNet: a net of other "
            "classes has the order of its own labels."
        )
    if not isinstance(top, int) or not 0 < top <= CLASSES:
        raise ArgumentError(f"top={top!r} must be an integer from 1 to {CLASSES}.")
    names = imagenet_names()
    best = np.argsort(-predictions, axis=1, kind="stable")[:, :top]
    return [[(*names[i], float(row[i])) for i in indices] for row, indices in zip(predictions, best)]
