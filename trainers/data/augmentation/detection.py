"""Random changes to training images with boxes: functions of an image and a seed, without any state.

Each takes an image (H, W, 3) uint8, its boxes (n, 4) float32, the `Resizing` of training images and a seed (two
integers in a tensor), and returns the image, resized, (h, w, 3) float32, 0..255, and its boxes in pixels of that: as
many, those that are left out without area.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from keras_resnets.detection.resizing import from_original
from trainers.data.augmentation.classification import random_square, shift_colors

JITTER = (0.75, 1.25)  # factors of the short side


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """A row of `AUGMENTATIONS`.

    Attributes:
        change: a function of this module.
        crop: where it cuts out squares, their side as a share of an evaluation's short side; None for whole images.
    """

    change: Callable
    crop: float | None = None

    def resizing(self, resizing):
        """Returns the `Resizing` of training images, from an evaluation's: crops have a canvas of their own."""
        if self.crop is None:
            return resizing
        return dataclasses.replace(resizing, canvas=2 * (max(1, round(self.crop * resizing.short_side)),))


def none(image, boxes, resizing, seed):
    """Only resizes."""
    return _resized(image, boxes, resizing, 1.0)


def flip(image, boxes, resizing, seed):
    """A mirror image half of the time (Fast R-CNN, arXiv 1504.08083, section 2.3)."""
    return _flipped(*none(image, boxes, resizing, seed), seed)


def scale_jitter_and_flip(image, boxes, resizing, seed):
    """A short side of 3/4 to 5/4 of its length, within the canvas, and a mirror image half of the time."""
    scale_seed, flip_seed = tf.unstack(tf.random.split(seed, 2))
    factor = tf.random.stateless_uniform([], scale_seed, *JITTER)
    return _flipped(*_resized(image, boxes, resizing, factor), flip_seed)


def crop_and_color(image, boxes, resizing, seed):
    """A square as large as the canvas, cut out at random, mirrored half of the time, with other colours.

    It is what ResNet's classification and localization see (arXiv 1512.03385, section 3.4 and appendix C): the short
    side of the image that it is cut out of is 256/224 to 480/224 times as long. The paper does not say what becomes of
    boxes: here they are cut off where the square ends, and those whose centre is outside of it are left out (SSD,
    arXiv 1512.02325, section 2.2).
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


AUGMENTATIONS = {
    "none": Augmentation(none),
    "flip": Augmentation(flip),
    "scale_jitter_and_flip": Augmentation(scale_jitter_and_flip),
    "crop_and_color": Augmentation(crop_and_color, crop=224 / 256),
}
