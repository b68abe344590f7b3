"""RandAugment (Cubuk et al., arXiv 1909.13719): two random changes of an image, which depend on its seed only.

The changes are those of keras-cv's RandAugment: the paper's rotation, posterization and sharpness are left out,
brightness is shifted instead of scaled, and color is only removed. They are not made by keras-cv's layers, which draw
from a generator with a state and take three times as long. The tests compare the results with theirs.

An operation is a function of an image, (H, W, 3) float32, 0..255, of static shape; a magnitude in 0..1; and a sign, -1
or 1. It returns an image of the same shape, type and range.
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
LEVELS = 256  # of a channel
GRAY = (0.2989, 0.5870, 0.1140)  # weights of red, green and blue, as in `tf.image.rgb_to_grayscale`

Operation = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]


def rand_augment(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Applies two random operations in turn.

    Args:
        image: (H, W, 3) float32, 0..255, of static shape.
        seed: (2,) integers.

    Returns:
        (H, W, 3) float32, 0..255.
    """
    choices = list(OPERATIONS.values())
    for operation_seed in tf.unstack(tf.random.split(seed, OPERATIONS_PER_IMAGE)):
        choice_seed, magnitude_seed, sign_seed = tf.unstack(tf.random.split(operation_seed, 3))
        choice = tf.random.stateless_uniform([], choice_seed, 0, len(choices), tf.int32)
        magnitude = tf.random.stateless_normal([], magnitude_seed, MAGNITUDE, MAGNITUDE_STDDEV)
        magnitude = tf.clip_by_value(magnitude, 0.0, 1.0)
        sign = tf.where(tf.random.stateless_uniform([], sign_seed) < 0.5, -1.0, 1.0)
        branches = [functools.partial(operation, image, magnitude, sign) for operation in choices]
        image = tf.switch_case(choice, branches)
    return image


def identity(image, magnitude, sign):
    """Leaves the image as it is."""
    return image


def stretch_contrast(image, magnitude, sign):
    """Maps the lowest and the highest value of each channel to 0 and 255. A constant channel stays."""
    low, high = _of_channels(tf.reduce_min, image), _of_channels(tf.reduce_max, image)
    constant = low == high
    scale = tf.where(constant, 1.0, 255 / (high - low))
    return _linear(image, scale, tf.where(constant, 0.0, -low * scale))


def equalize(image, magnitude, sign):
    """Makes each channel's histogram even. Values are rounded down."""
    height, width, channels = image.shape
    numbers = tf.cast(image, tf.int32) + _row(LEVELS * tf.range(channels), image)  # Each channel has levels of its own.
    histogram = tf.histogram_fixed_width(numbers, [0, LEVELS * channels], LEVELS * channels)
    histogram = tf.reshape(histogram, [channels, LEVELS])
    rarest = tf.reduce_min(tf.where(histogram == 0, height * width, histogram), axis=1, keepdims=True)
    step = (height * width - rarest) // (LEVELS - 1)  # pixels for each level
    levels = (tf.cumsum(histogram, axis=1, exclusive=True) + step // 2) // tf.maximum(step, 1)
    levels = tf.where(step == 0, tf.range(LEVELS), tf.minimum(levels, LEVELS - 1))
    # Not tf.gather, which takes twice as long for single numbers.
    return tf.gather_nd(tf.cast(tf.reshape(levels, [-1]), tf.float32), numbers[..., tf.newaxis])


def solarize(image, magnitude, sign):
    """Brightens, and inverts what is bright then."""
    brighter = tf.minimum(image + MAX_ADDITION * magnitude, 255.0)
    inverted = tf.cast(brighter >= 255 * (1 - magnitude), tf.float32)
    return tf.abs(255 * inverted - brighter)  # Not tf.where, which takes several times as long.


def remove_color(image, magnitude, sign):
    """Mixes each pixel with its gray."""
    amount = MAX_CHANGE * magnitude
    matrix = (1 - amount) * tf.eye(3) + amount * tf.constant(GRAY)[:, tf.newaxis]
    return tf.reshape(tf.reshape(image, [-1, 3]) @ matrix, image.shape)


def change_contrast(image, magnitude, sign):
    """Scales the difference from each channel's mean."""
    scale = 1 + sign * MAX_CHANGE * magnitude
    return _linear(image, tf.fill([3], scale), _of_channels(tf.reduce_mean, image) * (1 - scale))


def change_brightness(image, magnitude, sign):
    """Adds to all values, or subtracts from them."""
    return tf.clip_by_value(image + 255 * sign * MAX_CHANGE * magnitude, 0.0, 255.0)


def shear_horizontally(image, magnitude, sign):
    """Moves each row to the side, the more the lower it is. Zeros fill what is left."""
    return _slide(image, sign * MAX_SHEAR * magnitude * tf.range(image.shape[0], dtype=tf.float32))


def shear_vertically(image, magnitude, sign):
    """Moves each column up or down, the more the further right it is. Zeros fill what is left."""
    transposed = tf.transpose(image, [1, 0, 2])
    return tf.transpose(shear_horizontally(transposed, magnitude, sign), [1, 0, 2])


def shift_vertically(image, magnitude, sign):
    """Moves the image up or down. Zeros fill what is left."""
    height, width, channels = image.shape
    column = tf.reshape(image, [1, height, width * channels])  # of rows, which are moved as a whole
    return tf.reshape(_slide(column, [-sign * MAX_SHIFT * magnitude * height]), image.shape)


def shift_horizontally(image, magnitude, sign):
    """Moves the image to the side. Zeros fill what is left."""
    height, width, _ = image.shape
    return _slide(image, tf.fill([height], -sign * MAX_SHIFT * magnitude * width))


def _of_channels(reduce, image):
    """Reduces (H, W, 3) to (3,), in two steps: TensorFlow needs four times as long for both at once."""
    return reduce(reduce(image, axis=0), axis=0)


def _row(values, image):
    """Repeats (3,) to a row of the image, (W, 3). TensorFlow computes much faster with it than with three numbers."""
    return tf.broadcast_to(values, image.shape[1:])


def _linear(image, scale, offset):
    """Returns scale * image + offset, clipped; scale and offset are (3,)."""
    return tf.clip_by_value(image * _row(scale, image) + _row(offset, image), 0.0, 255.0)


def _slide(lines, starts):
    """Reads each line from its start on: between two elements linearly, and zeros beyond the ends.

    Args:
        lines: (N, L, C) float32.
        starts: (N,) float32, in elements of a line.

    Returns:
        (N, L, C) float32.
    """
    count, length, _ = lines.shape
    whole = tf.floor(starts)
    read = tf.raw_ops.ExtractGlimpseV2(
        input=lines[:, tf.newaxis],
        size=[1, length + 1],
        offsets=tf.stack([tf.zeros([count]), whole], axis=1),
        centered=False,
        normalized=False,
        uniform_noise=False,
        noise="zero",
    )
    first, second = read[:, 0, :-1], read[:, 0, 1:]
    return first + (starts - whole)[:, tf.newaxis, tf.newaxis] * (second - first)


OPERATIONS: dict[str, Operation] = {
    operation.__name__: operation
    # In this order: a seed chooses by number.
    for operation in (
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
}
