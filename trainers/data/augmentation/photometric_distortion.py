"""The random colors of SSD (arXiv 1512.02325, section 2.2), with torchvision's ranges, but no exchange of channels."""

import tensorflow as tf

BRIGHTNESS, CONTRAST, SATURATION = (0.875, 1.125), (0.5, 1.5), (0.5, 1.5)  # factors
MAX_HUE_DELTA = 0.05  # of a turn
PROBABILITY = 0.5  # of each change


def distort(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Changes brightness, contrast, saturation and hue, each in half of the images.

    The contrast, the distance from the mean luminance, changes before or after saturation and hue, which are HSV's.
    Values are clipped after each.

    Args:
        image: (H, W, 3) float32, 0..255.
        seed: (2,) integers.

    Returns:
        (H, W, 3) float32, 0..255.
    """
    brightness_seed, contrast_seed, saturation_seed, hue_seed, order_seed = tf.unstack(tf.random.split(seed, 5))

    def change_contrast(image):
        return _maybe(_contrast, image, CONTRAST, contrast_seed)

    contrast_first = tf.random.stateless_uniform([], order_seed) < 0.5
    image = _maybe(tf.multiply, image, BRIGHTNESS, brightness_seed)
    image = tf.cond(contrast_first, lambda: change_contrast(image), lambda: image)
    image = _maybe(tf.image.adjust_saturation, image, SATURATION, saturation_seed)
    image = _maybe(tf.image.adjust_hue, image, (-MAX_HUE_DELTA, MAX_HUE_DELTA), hue_seed)
    return tf.cond(contrast_first, lambda: image, lambda: change_contrast(image))


def _maybe(change, image, limits, seed):
    """Returns the image, changed by a random amount within limits with `PROBABILITY`."""
    chance, share = tf.unstack(tf.random.stateless_uniform([2], seed))
    low, high = limits

    def changed():
        return tf.clip_by_value(change(image, low + share * (high - low)), 0.0, 255.0)

    return tf.cond(chance < PROBABILITY, changed, lambda: image)


def _contrast(image, factor):
    mean = tf.reduce_mean(tf.image.rgb_to_grayscale(image))
    return mean + factor * (image - mean)
