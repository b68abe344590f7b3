"""RandAugment (Cubuk et al., arXiv 1909.13719) with keras-cv's operations.

keras-cv's own RandAugment draws from a generator with a state, so that an image's changes depend on all images before
it. Here they depend on the seed alone: the operations are keras-cv's, the choices are made here. The only module that
knows keras-cv.

As in keras-cv's RandAugment, the paper's rotation, posterizing and sharpness are left out, brightness is added to
instead of multiplied, and colour is only removed.
"""

import functools

import tensorflow as tf

OPERATIONS_PER_IMAGE = 2
MAGNITUDE, MAGNITUDE_STDDEV = 0.3, 0.15  # of 1: 9 of the paper's 30, with the spread that timm introduced
LARGEST_SHIFT = 0.45  # of the image's side
LARGEST_SHEAR = 0.3  # pixels a row or column
LARGEST_CHANGE = 0.9  # of brightness, contrast and colour
LARGEST_ADDITION = 110  # before solarizing, in 0..255


def rand_augment(image, seed):
    """Applies two random operations, one after the other.

    Args:
        image: (H, W, 3) float32, 0..255.
        seed: two integers in a tensor.

    Returns:
        Of the same shape, type and range.
    """
    operations = _operations()
    for operation_seed in tf.unstack(tf.random.split(seed, OPERATIONS_PER_IMAGE)):
        choice_seed, magnitude_seed, sign_seed = tf.unstack(tf.random.split(operation_seed, 3))
        choice = tf.random.stateless_uniform([], choice_seed, 0, len(operations), tf.int32)
        magnitude = tf.random.stateless_normal([], magnitude_seed, MAGNITUDE, MAGNITUDE_STDDEV)
        magnitude = tf.clip_by_value(magnitude, 0.0, 1.0)
        sign = tf.where(tf.random.stateless_uniform([], sign_seed) < 0.5, -1.0, 1.0)
        branches = [functools.partial(operation, image[tf.newaxis], magnitude, sign) for operation in operations]
        changed = tf.switch_case(choice, branches)
        image = tf.ensure_shape(tf.clip_by_value(changed[0], 0.0, 255.0), image.shape)
    return image


@functools.cache
def _operations():
    """Returns functions of a batch of one image, a magnitude in 0..1 and a sign."""
    # Functions with names: AutoGraph, which keras-cv needs, takes one lambda for another.
    from keras_cv import layers

    # Layers ask for TensorFlow's own generator when they are made; with deterministic operations there is none yet.
    with tf.init_scope():
        tf.random.set_global_generator(tf.random.Generator.from_seed(0))
    values = (0, 255)
    contrast = layers.AutoContrast(value_range=values)
    equalization = layers.Equalization(value_range=values)
    solarization = layers.Solarization(value_range=values)
    color = layers.RandomColorDegeneration(factor=0.5)
    contrast_change = layers.RandomContrast(value_range=values, factor=0.5)
    brightness = layers.RandomBrightness(factor=0.5, value_range=values)
    shear_x = layers.RandomShear(x_factor=0.5, fill_mode="constant")
    shear_y = layers.RandomShear(y_factor=0.5, fill_mode="constant")
    translation = layers.RandomTranslation(height_factor=0.5, width_factor=0.5, fill_mode="constant")

    def identity(image, magnitude, sign):
        return image

    def stretch_contrast(image, magnitude, sign):
        return contrast.augment_images(image)

    def equalize(image, magnitude, sign):
        return equalization.augment_images(image)

    def solarize(image, magnitude, sign):
        change = {"thresholds": 255 * (1 - magnitude), "additions": LARGEST_ADDITION * magnitude}
        return solarization.augment_images(image, change)

    def remove_color(image, magnitude, sign):
        return color.augment_images(image, LARGEST_CHANGE * magnitude)

    def change_contrast(image, magnitude, sign):
        return contrast_change.augment_images(image, 1 + sign * LARGEST_CHANGE * magnitude)

    def change_brightness(image, magnitude, sign):
        return brightness.augment_images(image, 255 * sign * LARGEST_CHANGE * magnitude)

    def shear_horizontally(image, magnitude, sign):
        change = {"shear_x": tf.reshape(sign * LARGEST_SHEAR * magnitude, [1, 1]), "shear_y": None}
        return shear_x.augment_images(image, change)

    def shear_vertically(image, magnitude, sign):
        change = {"shear_x": None, "shear_y": tf.reshape(sign * LARGEST_SHEAR * magnitude, [1, 1])}
        return shear_y.augment_images(image, change)

    def shift(image, vertical, horizontal):
        change = {"height_translations": vertical, "width_translations": horizontal}
        change = {name: tf.reshape(LARGEST_SHIFT * value, [1, 1]) for name, value in change.items()}
        return translation.augment_images(image, change)

    def shift_vertically(image, magnitude, sign):
        return shift(image, sign * magnitude, 0.0)

    def shift_horizontally(image, magnitude, sign):
        return shift(image, 0.0, sign * magnitude)

    return (
        identity,
        stretch_contrast,
        equalize,
        solarize,
        remove_color,
        change_contrast,
        change_brightness,
        shear_horizontally,
        shear_vertically,
        shift_vertically,
        shift_horizontally,
    )
