"""RandAugment (Cubuk et al., arXiv 1909.13719) with the operations of keras-cv. The only module that imports keras-cv.

keras-cv's own RandAugment draws from a generator with a state: the changes of an image depend on all images before it.
Here they depend on the image's seed only: the choices are made here, and keras-cv applies them.

As in keras-cv's RandAugment, the paper's rotation, posterization and sharpness are left out, brightness is shifted
instead of scaled, and color is only removed.
"""

import functools
from collections.abc import Callable

import tensorflow as tf

OPERATIONS_PER_IMAGE = 2
MAGNITUDE, MAGNITUDE_STDDEV = 0.3, 0.15  # 9 of the paper's 30 levels; the deviation is that of timm
MAX_SHIFT = 0.45  # of the image's side
MAX_SHEAR = 0.3  # pixels per row or column
MAX_CHANGE = 0.9  # of brightness, contrast and color
MAX_ADDITION = 110  # before solarization, in 0..255
UNUSED_SEED = 1  # of layers that are given their random numbers

Operation = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]


def rand_augment(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Applies two random operations in turn.

    Args:
        image: (H, W, 3) float32, 0..255.
        seed: (2,) integers.

    Returns:
        (H, W, 3) float32, 0..255.
    """
    choices = list(operations().values())
    for operation_seed in tf.unstack(tf.random.split(seed, OPERATIONS_PER_IMAGE)):
        choice_seed, magnitude_seed, sign_seed = tf.unstack(tf.random.split(operation_seed, 3))
        choice = tf.random.stateless_uniform([], choice_seed, 0, len(choices), tf.int32)
        magnitude = tf.random.stateless_normal([], magnitude_seed, MAGNITUDE, MAGNITUDE_STDDEV)
        magnitude = tf.clip_by_value(magnitude, 0.0, 1.0)
        sign = tf.where(tf.random.stateless_uniform([], sign_seed) < 0.5, -1.0, 1.0)
        branches = [functools.partial(operation, image[tf.newaxis], magnitude, sign) for operation in choices]
        changed = tf.switch_case(choice, branches)
        image = tf.ensure_shape(tf.clip_by_value(changed[0], 0.0, 255.0), image.shape)
    return image


@functools.cache
def operations() -> dict[str, Operation]:
    """Returns the operations that `rand_augment` chooses from, by their names.

    An operation is a function of images (1, H, W, 3) float32, 0..255, a magnitude in 0..1 and a sign, -1 or 1. It
    returns images of the same shape and type, maybe beyond 0..255.
    """
    found = _Operations()
    # In this order: a seed chooses by number.
    chosen_from = (
        found.identity,
        found.stretch_contrast,
        found.equalize,
        found.solarize,
        found.remove_color,
        found.change_contrast,
        found.change_brightness,
        found.shear_horizontally,
        found.shear_vertically,
        found.shift_vertically,
        found.shift_horizontally,
    )
    return {operation.__name__: operation for operation in chosen_from}


class _Operations:
    """The operations, and keras-cv's layers that apply them.

    They are methods, not lambdas: AutoGraph, which keras-cv needs, takes one lambda for another.
    """

    def __init__(self):
        from keras_cv import layers

        # With a seed, a layer makes a generator of its own, which nothing draws from. Without one, it would make
        # TensorFlow's global generator, which --deterministic does not allow.
        with tf.init_scope():
            values = {"value_range": (0, 255), "seed": UNUSED_SEED}
            self._stretching = layers.AutoContrast(**values)
            self._equalization = layers.Equalization(**values)
            self._solarization = layers.Solarization(**values)
            self._contrast = layers.RandomContrast(factor=0.5, **values)
            self._brightness = layers.RandomBrightness(factor=0.5, **values)
            filled = {"fill_mode": "constant", "seed": UNUSED_SEED}
            self._shear_x = layers.RandomShear(x_factor=0.5, **filled)
            self._shear_y = layers.RandomShear(y_factor=0.5, **filled)
            self._translation = layers.RandomTranslation(height_factor=0.5, width_factor=0.5, **filled)

    def identity(self, images, magnitude, sign):
        return images

    def stretch_contrast(self, images, magnitude, sign):
        return self._stretching.augment_images(images)

    def equalize(self, images, magnitude, sign):
        return self._equalization.augment_images(images)

    def solarize(self, images, magnitude, sign):
        change = {"thresholds": 255 * (1 - magnitude), "additions": MAX_ADDITION * magnitude}
        return self._solarization.augment_images(images, change)

    def remove_color(self, images, magnitude, sign):
        # Not RandomColorDegeneration, which drops its seed and would make the global generator.
        gray = tf.image.grayscale_to_rgb(tf.image.rgb_to_grayscale(images))
        return tf.clip_by_value(images + MAX_CHANGE * magnitude * (gray - images), 0.0, 255.0)

    def change_contrast(self, images, magnitude, sign):
        return self._contrast.augment_images(images, 1 + sign * MAX_CHANGE * magnitude)

    def change_brightness(self, images, magnitude, sign):
        return self._brightness.augment_images(images, 255 * sign * MAX_CHANGE * magnitude)

    def shear_horizontally(self, images, magnitude, sign):
        change = {"shear_x": tf.reshape(sign * MAX_SHEAR * magnitude, [1, 1]), "shear_y": None}
        return self._shear_x.augment_images(images, change)

    def shear_vertically(self, images, magnitude, sign):
        change = {"shear_x": None, "shear_y": tf.reshape(sign * MAX_SHEAR * magnitude, [1, 1])}
        return self._shear_y.augment_images(images, change)

    def shift_vertically(self, images, magnitude, sign):
        return self._shift(images, sign * magnitude, 0.0)

    def shift_horizontally(self, images, magnitude, sign):
        return self._shift(images, 0.0, sign * magnitude)

    def _shift(self, images, vertical, horizontal):
        change = {"height_translations": vertical, "width_translations": horizontal}
        change = {name: tf.reshape(MAX_SHIFT * value, [1, 1]) for name, value in change.items()}
        return self._translation.augment_images(images, change)
