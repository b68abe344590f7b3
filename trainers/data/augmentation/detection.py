"""Random changes of training images with boxes: pure functions of an image and a seed.

Each takes an image (H, W, 3) uint8, its boxes (n, 4) float32, the `Resizing` of training images, a seed, (2,)
integers, and how many of the boxes, the first ones, are proposals and no objects. It returns the resized image,
(h, w, 3) float32, 0..255, which fits into the canvas, and where the corners of the boxes are in it, in pixels, (n, 4)
float32: maybe outside, and x1 > x2 where the image is mirrored. A box that is left out has no area.
`Augmentation.change` makes boxes of them, and lets masks follow.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from keras_resnets.detection.resizing import Resizing, from_original
from keras_resnets.ops.masks import resample
from trainers.data.augmentation.classification import random_square, shift_colors
from trainers.data.augmentation.iou_crop import centers_inside, iou_window
from trainers.data.augmentation.photometric_distortion import distort
from trainers.data.proportions import PAPERS_SHORT_SIDE, PAPERS_SIZE

JITTER = (0.75, 1.25)  # factors of the short side
LARGE_SCALE_JITTER = (0.1, 2.0)  # factors of both sides

Move = Callable[[tf.Tensor, tf.Tensor, Resizing, tf.Tensor, int], tuple[tf.Tensor, tf.Tensor]]


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """A row of `AUGMENTATIONS`.

    Attributes:
        move: function of this module.
        crop: side of the squares that it cuts out, as a share of the short side in evaluations; None for whole images.
    """

    move: Move
    crop: float | None = None

    def resizing(self, resizing: Resizing) -> Resizing:
        """Returns the `Resizing` of training images from that of evaluations: the canvas of crops is their size."""
        if self.crop is None:
            return resizing
        return dataclasses.replace(resizing, canvas=2 * (max(1, round(self.crop * resizing.short_side)),))

    def change(
        self,
        image: tf.Tensor,
        boxes: tf.Tensor,
        resizing: Resizing,
        seed: tf.Tensor,
        proposals: int = 0,
        masks: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
        """Changes an image with its boxes and masks.

        Args:
            image, boxes, resizing, seed, proposals: see above.
            masks: (n - proposals, M, M) floating, the objects in their boxes; None for none.

        Returns:
            The image; the boxes, clipped to it, (n, 4) float32, without area where nothing is left; and the masks in
            these boxes, of their dtype.
        """
        image, moved = self.move(image, boxes, resizing, seed, proposals)
        height, width = tf.unstack(tf.cast(tf.shape(image)[:2], tf.float32))
        x1, y1, x2, y2 = tf.unstack(moved, axis=1)
        upright = tf.stack([tf.minimum(x1, x2), y1, tf.maximum(x1, x2), y2], axis=1)
        clipped = tf.clip_by_value(upright, 0.0, tf.stack([width, height, width, height]))
        if masks is not None:
            mirrored = (x1 > x2)[proposals:, tf.newaxis, tf.newaxis]
            masks = tf.where(mirrored, tf.reverse(masks, axis=[2]), masks)
            followed = resample(masks, upright[proposals:], clipped[proposals:], masks.shape[1])
            masks = tf.cast(followed, masks.dtype)
        return image, clipped, masks


def none(image, boxes, resizing, seed, proposals=0):
    """Resizes only."""
    return _resized(image, boxes, resizing, 1.0)


def flip(image, boxes, resizing, seed, proposals=0):
    """A horizontal flip with probability 1/2 (Fast R-CNN, arXiv 1504.08083, section 2.3)."""
    return _flipped(*none(image, boxes, resizing, seed), seed)


def scale_jitter_and_flip(image, boxes, resizing, seed, proposals=0):
    """A short side of 3/4 to 5/4 of its length, limited by the canvas, and a horizontal flip with probability 1/2."""
    scale_seed, flip_seed = tf.unstack(tf.random.split(seed, 2))
    factor = tf.random.stateless_uniform([], scale_seed, *JITTER)
    return _flipped(*_resized(image, boxes, resizing, factor), flip_seed)


def crop_and_color(image, boxes, resizing, seed, proposals=0):
    """A random square, resized to the canvas, flipped with probability 1/2, with shifted colors.

    ResNet's classifiers and localizers are trained on such crops (arXiv 1512.03385, section 3.4 and appendix C); the
    image's short side is 256/224 to 480/224 times the side of the square. The paper does not mention the boxes. Here
    they are removed if their center is outside (SSD, arXiv 1512.02325, section 2.2).
    """
    scale_seed, place_seed, flip_seed, color_seed = tf.unstack(tf.random.split(seed, 4))
    top, left, side = tf.unstack(random_square(tf.shape(image)[:2], scale_seed, place_seed))
    window = image[top : top + side, left : left + side]
    cropped = resizing.interpolate(window, resizing.canvas)
    canvas = float(resizing.canvas[0])
    moved = (boxes - tf.cast([left, top, left, top], tf.float32)) * (canvas / tf.cast(side, tf.float32))
    centers = (moved[:, :2] + moved[:, 2:]) / 2
    is_inside = tf.reduce_all((centers >= 0) & (centers < canvas), axis=1, keepdims=True)
    cropped, moved = _flipped(cropped, tf.where(is_inside, moved, 0.0), flip_seed)
    return shift_colors(cropped, color_seed), moved


def large_scale_jitter(image, boxes, resizing, seed, proposals=0):
    """Both sides 1/10 to twice as long, and of an image that is larger than the canvas a random part.

    Ghiasi et al., arXiv 2012.07177, section 3. The part is cut out before it is resized, which is less work.
    """
    scale_seed, place_seed = tf.unstack(tf.random.split(seed, 2))
    _, scale = resizing.resize(image)  # Of the result, only the scale is used: TensorFlow resizes nothing.
    scale *= tf.random.stateless_uniform([], scale_seed, *LARGE_SCALE_JITTER)
    shape, canvas = tf.cast(tf.shape(image)[:2], tf.float32), tf.constant(resizing.canvas, tf.float32)
    part = tf.clip_by_value(tf.round(canvas / scale), 1.0, shape)
    corner = tf.floor(tf.random.stateless_uniform([2], place_seed) * (shape - part + 1))
    window = tf.cast(tf.concat([corner[::-1], (corner + part)[::-1]], axis=0), tf.int32)
    image, boxes = _cut_out(image, boxes, window)
    target = tf.cast(tf.clip_by_value(tf.round(part * scale), 1.0, canvas), tf.int32)
    return resizing.interpolate(image, target), from_original(boxes, tf.cast(target, tf.float32) / part)


def iou_crop(image, boxes, resizing, seed, proposals=0):
    """A random window, resized: see `trainers.data.augmentation.iou_crop`.

    Boxes are removed if their center is outside (SSD, arXiv 1512.02325, section 2.2).
    """
    window = iou_window(tf.shape(image)[:2], boxes[proposals:], seed)
    stay = centers_inside(boxes, tf.cast(window, tf.float32))
    return none(*_cut_out(image, tf.where(stay[:, tf.newaxis], boxes, 0.0), window), resizing, seed)


def photometric_distortion(image, boxes, resizing, seed, proposals=0):
    """The colors of SSD: see `trainers.data.augmentation.photometric_distortion`."""
    image, boxes = none(image, boxes, resizing, seed)
    return distort(image, seed), boxes


def distorted_iou_crop(image, boxes, resizing, seed, proposals=0):
    """`iou_crop` and `photometric_distortion`: SSD's, but for its zooming out."""
    crop_seed, color_seed = tf.unstack(tf.random.split(seed, 2))
    image, boxes = iou_crop(image, boxes, resizing, crop_seed, proposals)
    return distort(image, color_seed), boxes


def _and_flip(move):
    """Returns a function, followed by a horizontal flip with probability 1/2."""

    def moved(image, boxes, resizing, seed, proposals=0):
        seed, flip_seed = tf.unstack(tf.random.split(seed, 2))
        return _flipped(*move(image, boxes, resizing, seed, proposals), flip_seed)

    return moved


def _cut_out(image, boxes, window):
    """Returns a window, [x1, y1, x2, y2] (4,) int32, of an image, and the boxes in its pixels."""
    x1, y1, x2, y2 = tf.unstack(window)
    corner = tf.cast(tf.stack([x1, y1, x1, y1]), tf.float32)
    return image[y1:y2, x1:x2], boxes - corner


def _resized(image, boxes, resizing, factor):
    image, scale = resizing.resize(image, factor)
    return image, from_original(boxes, scale)


def _flipped(image, boxes, seed):
    width = tf.cast(tf.shape(image)[1], tf.float32)
    x1, y1, x2, y2 = tf.unstack(boxes, axis=1)
    mirrored = tf.stack([width - x1, y1, width - x2, y2], axis=1)
    flips = tf.random.stateless_uniform([], seed) < 0.5
    # tf.where of the image, and a slice of step -1, are ten times as slow.
    image = tf.cond(flips, lambda: tf.reverse(image, axis=[1]), lambda: image)
    return image, tf.where(flips, mirrored, boxes)


AUGMENTATIONS: dict[str, Augmentation] = {
    "none": Augmentation(none),
    "flip": Augmentation(flip),
    "scale_jitter_and_flip": Augmentation(scale_jitter_and_flip),
    "crop_and_color": Augmentation(crop_and_color, crop=PAPERS_SIZE / PAPERS_SHORT_SIDE),
    "large_scale_jitter": Augmentation(large_scale_jitter),
    "large_scale_jitter_and_flip": Augmentation(_and_flip(large_scale_jitter)),
    "iou_crop": Augmentation(iou_crop),
    "iou_crop_and_flip": Augmentation(_and_flip(iou_crop)),
    "photometric_distortion": Augmentation(photometric_distortion),
    "photometric_distortion_and_flip": Augmentation(_and_flip(photometric_distortion)),
    "distorted_iou_crop": Augmentation(distorted_iou_crop),
    "distorted_iou_crop_and_flip": Augmentation(_and_flip(distorted_iou_crop)),
}
