"""Random changes to training images: functions of an image and a seed, without any state.

Each takes an image (size, size, 3) float32, a seed (two integers in a tensor) and `fill`, the colour of padding (three
values, 0..255), and returns an image of the same shape.
"""

import tensorflow as tf

PADDING = 4  # pixels on each side


def pad_and_crop(image, seed, fill):
    """Pads with `fill` on each side and cuts out a random square (He et al., arXiv 1512.03385, section 4.2)."""
    # The papers pad with zeros after subtracting the mean: with the mean, before that.
    padded = tf.pad(image - fill, [[PADDING, PADDING], [PADDING, PADDING], [0, 0]]) + fill
    return tf.image.stateless_random_crop(padded, image.shape, seed)


def pad_crop_and_flip(image, seed, fill):
    """`pad_and_crop`, then a mirror image half of the time."""
    crop_seed, flip_seed = tf.unstack(tf.random.split(seed, 2))
    return tf.image.stateless_random_flip_left_right(pad_and_crop(image, crop_seed, fill), flip_seed)


AUGMENTATIONS = {"pad_and_crop": pad_and_crop, "pad_crop_and_flip": pad_crop_and_flip}
