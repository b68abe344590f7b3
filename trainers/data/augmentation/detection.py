"""Random changes of training images with boxes: pure functions of an image and a seed.

Each takes an image (H, W, 3) uint8, its boxes (n, 4) float32, the `Resizing` of training images, and a seed, (2,)
integers. It returns the resized image, (h, w, 3) float32, 0..255, and the boxes in pixels of that, (n, 4) float32. A
box that is no longer in the image has no area.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from keras_resnets.detection.resizing import Resizing, from_original
from trainers.data.augmentation.classification import random_square, shift_colors
from trainers.data.proportions import PAPERS_SHORT_SIDE, PAPERS_SIZE

JITTER = (0.75, 1.25)  # factors of the short side

Change = Callable[[tf.Tensor, tf.Tensor, Resizing, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """A row of `AUGMENTATIONS`.

    Attributes:
        change: function of this module.
        crop: side of the squares that it cuts out, as a share of the short side in evaluations; None for whole images.
    """

    change: Change
    crop: float | None = None

    def resizing(self, resizing: Resizing) -> Resizing:
        """Returns the `Resizing` of training images from that of evaluations: the canvas of crops is their size."""
        if self.crop is None:
            return resizing
        return dataclasses.replace(resizing, canvas=2 * (max(1, round(self.crop * resizing.short_side)),))


def none(image, boxes, resizing, seed):
    """Resizes only."""
    return _resized(image, boxes, resizing, 1.0)


def flip(image, boxes, resizing, seed):
    """A horizontal flip with probability 1/2 (Fast R-CNN, arXiv 1504.08083, section 2.3)."""
    return _flipped(*none(image, boxes, resizing, seed), seed)


def scale_jitter_and_flip(image, boxes, resizing, seed):
    """A short side of 3/4 to 5/4 of its length, limited by the canvas, and a horizontal flip with probability 1/2."""
    scale_seed, flip_seed = tf.unstack(tf.random.split(seed, 2))
    factor = tf.random.stateless_uniform([], scale_seed, *JITTER)
    return _flipped(*_resized(image, boxes, resizing, factor), flip_seed)


def crop_and_color(image, boxes, resizing, seed):
    """A random square, resized to the canvas, flipped with probability 1/2, with shifted colors.

    ResNet's classifiers and localizers are trained on such crops (arXiv 1512.03385, section 3.4 and appendix C); the
    image's short side is 256/224 to 480/224 times the side of the square. The paper does not mention the boxes. Here
    they are clipped to the square, and removed if their center is outside (SSD, arXiv 1512.02325, section 2.2).
    """
    scale_seed, place_seed, flip_seed, color_seed = tf.unstack(tf.random.split(seed, 4))
    top, left, side = tf.unstack(random_square(tf.shape(image)[:2], scale_seed, place_seed))
    window = image[top : top + side, left : left + side]
    cropped = tf.image.resize(tf.cast(window, tf.float32), resizing.canvas, antialias=True)
    canvas = float(resizing.canvas[0])
    moved = (boxes - tf.cast([left, top, left, top], tf.float32)) * (canvas / tf.cast(side, tf.float32))
    centers = (moved[:, :2] + moved[:, 2:]) / 2
    is_inside = tf.reduce_all((centers >= 0) & (centers < canvas), axis=1, keepdims=True)
    moved = tf.where(is_inside, tf.clip_by_value(moved, 0.0, canvas), 0.0)
    cropped, moved = _flipped(cropped, moved, flip_seed)
    return shift_colors(cropped, color_seed), moved


def _resized(image, boxes, resizing, factor):
    image, scale = resizing.resize(image, factor)
    return image, from_original(boxes, scale)


def _flipped(image, boxes, seed):
    width = tf.cast(tf.shape(image)[1], tf.float32)
    x1, y1, x2, y2 = tf.unstack(boxes, axis=1)
    mirrored = tf.stack([width - x2, y1, width - x1, y2], axis=1)
    flips = tf.random.stateless_uniform([], seed) < 0.5
    return tf.where(flips, image[:, ::-1], image), tf.where(flips, mirrored, boxes)


AUGMENTATIONS: dict[str, Augmentation] = {
    "none": Augmentation(none),
    "flip": Augmentation(flip),
    "scale_jitter_and_flip": Augmentation(scale_jitter_and_flip),
    "crop_and_color": Augmentation(crop_and_color, crop=PAPERS_SIZE / PAPERS_SHORT_SIDE),
}
