"""Random changes to training images with boxes: functions of an image and a seed, without any state.

Each takes an image (H, W, 3) uint8, its boxes (n, 4) float32, a `Resizing` and a seed (two integers in a tensor), and
returns the image, resized, (h, w, 3) float32, 0..255, and its boxes in pixels of that.
"""

import tensorflow as tf

from keras_resnets.detection.resizing import from_original

JITTER = (0.75, 1.25)  # factors of the short side


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


def _resized(image, boxes, resizing, factor):
    image, scale = resizing.resize(image, factor)
    return image, from_original(boxes, scale)


def _flipped(image, boxes, seed):
    width = tf.cast(tf.shape(image)[1], tf.float32)
    x1, y1, x2, y2 = tf.unstack(boxes, axis=1)
    mirrored = tf.stack([width - x2, y1, width - x1, y2], axis=1)
    flips = tf.random.stateless_uniform([], seed) < 0.5
    return tf.where(flips, image[:, ::-1], image), tf.where(flips, mirrored, boxes)


AUGMENTATIONS = {augmentation.__name__: augmentation for augmentation in (none, flip, scale_jitter_and_flip)}
