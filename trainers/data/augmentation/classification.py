"""Random changes of training images for classification: pure functions of an image and a seed.

Each augmentation takes an `ImageSource`, the net's `Preprocessing` and a seed, (2,) integers, and returns an image of
the net's size, (size, size, 3) float32, 0..255.
"""

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_resnets.preprocessing import Preprocessing, resized_window
from trainers.data.augmentation.rand_augment import rand_augment
from trainers.data.image_source import ImageSource
from trainers.data.proportions import PAPERS_SHORT_SIDE, PAPERS_SIZE

PADDING = 4  # pixels on each side
SMALL_PADDING = 1  # pixels on each side
# Length of the image's short side, in sides of the crop (He et al., arXiv 1512.03385, section 3.4).
SHORT_SIDES = (PAPERS_SHORT_SIDE / PAPERS_SIZE, 480 / PAPERS_SIZE)
# Share of the image's area in the crop, and the crop's aspect ratio (Szegedy et al., arXiv 1409.4842, section 6).
AREAS, ASPECT_RATIOS = (0.08, 1.0), (3 / 4, 4 / 3)
# Principal components of the colors of ImageNet's training images, in 0..1 (Torch code of arXiv 1512.03385). A column
# is an eigenvector.
COLOR_EIGENVALUES = np.array([0.2175, 0.0188, 0.0045], np.float32)
COLOR_EIGENVECTORS = np.array(
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]], np.float32
)
COLOR_STDDEV = 0.1
# From the Inception nets' training code, for colors in 0..1.
MAX_BRIGHTNESS_DELTA, MAX_HUE_DELTA = 32 / 255, 0.2
SATURATIONS = CONTRASTS = (0.5, 1.5)
COLOR_ORDERS = (
    ("brightness", "saturation", "hue", "contrast"),
    ("saturation", "brightness", "contrast", "hue"),
    ("contrast", "hue", "brightness", "saturation"),
    ("hue", "saturation", "contrast", "brightness"),
)

Augmentation = Callable[[ImageSource, Preprocessing, tf.Tensor], tf.Tensor]


def central_crop(source: ImageSource, preprocessing: Preprocessing, seed: tf.Tensor) -> tf.Tensor:
    """The central crop of an evaluation, unchanged."""
    return preprocessing.crop(source.pixels(preprocessing.exact))


def pad_and_crop(source: ImageSource, preprocessing: Preprocessing, seed: tf.Tensor) -> tf.Tensor:
    """Pads each side with the mean, and takes a random crop (He et al., arXiv 1512.03385, section 4.2)."""
    return _shift(source, preprocessing, seed, PADDING)


def pad_crop_and_flip(source: ImageSource, preprocessing: Preprocessing, seed: tf.Tensor) -> tf.Tensor:
    """`pad_and_crop`, and a horizontal flip with probability 1/2."""
    crop_seed, flip_seed = tf.unstack(tf.random.split(seed, 2))
    image = pad_and_crop(source, preprocessing, crop_seed)
    return tf.image.stateless_random_flip_left_right(image, flip_seed)


def shift_and_flip(source: ImageSource, preprocessing: Preprocessing, seed: tf.Tensor) -> tf.Tensor:
    """`pad_crop_and_flip` with one pixel of padding: for centered objects and short trainings."""
    shift_seed, flip_seed = tf.unstack(tf.random.split(seed, 2))
    image = _shift(source, preprocessing, shift_seed, SMALL_PADDING)
    return tf.image.stateless_random_flip_left_right(image, flip_seed)


def scale_jitter_and_color(source: ImageSource, preprocessing: Preprocessing, seed: tf.Tensor) -> tf.Tensor:
    """A random square at a random scale, flipped with probability 1/2, then `shift_colors` (section 3.4)."""
    scale_seed, place_seed, flip_seed, color_seed = tf.unstack(tf.random.split(seed, 4))
    top, left, side = tf.unstack(random_square(source.shape(), scale_seed, place_seed))
    image = _resize(source.window(top, left, side, side), preprocessing.size)
    return shift_colors(tf.image.stateless_random_flip_left_right(image, flip_seed), color_seed)


def random_square(shape: tf.Tensor, scale_seed: tf.Tensor, place_seed: tf.Tensor) -> tf.Tensor:
    """Returns top, left and side, (3,) int32, of a random square; the image's short side is `SHORT_SIDES` sides long.

    Args:
        shape: height and width of the image, (2,) int32.
        scale_seed: of the side.
        place_seed: of top and left.
    """
    shape = tf.cast(shape, tf.float32)
    short_side = tf.random.stateless_uniform([], scale_seed, *SHORT_SIDES)
    side = tf.maximum(tf.round(tf.reduce_min(shape) / short_side), 1)
    corner = tf.floor(tf.random.stateless_uniform([2], place_seed) * (shape - side + 1))
    return tf.cast(tf.concat([corner, [side]], axis=0), tf.int32)


def shift_colors(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Adds random multiples of the principal components of ImageNet's colors (Krizhevsky et al., 2012, section 4.1).

    Args:
        image: (H, W, 3) float32, 0..255.
        seed: (2,) integers.

    Returns:
        (H, W, 3) float32, 0..255.
    """
    shares = tf.random.stateless_normal([3], seed, stddev=COLOR_STDDEV)
    shift = 255 * tf.linalg.matvec(COLOR_EIGENVECTORS, shares * COLOR_EIGENVALUES)
    # TensorFlow adds a row of the image's width much faster than three numbers.
    return tf.clip_by_value(image + tf.broadcast_to(shift, tf.shape(image)[1:]), 0, 255)


def random_resized_crop(source: ImageSource, preprocessing: Preprocessing, seed: tf.Tensor) -> tf.Tensor:
    """A random window, resized to a square, and flipped with probability 1/2.

    It has 8 % to 100 % of the image's area and an aspect ratio of 3/4 to 4/3 (Szegedy et al., arXiv 1409.4842,
    section 6).
    """
    window_seed, flip_seed = tf.unstack(tf.random.split(seed, 2))
    begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
        tf.concat([source.shape(), [3]], axis=0),
        bounding_boxes=tf.zeros([0, 0, 4]),
        seed=window_seed,
        min_object_covered=0.0,
        aspect_ratio_range=ASPECT_RATIOS,
        area_range=AREAS,
        max_attempts=10,
        use_image_if_no_bounding_boxes=True,
    )
    image = _resize(source.window(begin[0], begin[1], size[0], size[1]), preprocessing.size)
    return tf.image.stateless_random_flip_left_right(image, flip_seed)


def random_resized_crop_and_color(source: ImageSource, preprocessing: Preprocessing, seed: tf.Tensor) -> tf.Tensor:
    """`random_resized_crop`, then `distort_colors`."""
    crop_seed, color_seed = tf.unstack(tf.random.split(seed, 2))
    return distort_colors(random_resized_crop(source, preprocessing, crop_seed), color_seed)


def distort_colors(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Shifts brightness and hue, and scales saturation and contrast, in one of four orders.

    These are the photometric distortions of A. Howard (arXiv 1312.5402) in the version of the Inception nets' training
    code. The image is clipped after the last one only.

    Args:
        image: (H, W, 3) float32, 0..255.
        seed: (2,) integers.

    Returns:
        (H, W, 3) float32, 0..255.
    """
    order_seed, *seeds = tf.unstack(tf.random.split(seed, 5))
    changes = {
        "brightness": lambda image: tf.image.stateless_random_brightness(image, MAX_BRIGHTNESS_DELTA, seeds[0]),
        "saturation": lambda image: tf.image.stateless_random_saturation(image, *SATURATIONS, seeds[1]),
        "hue": lambda image: tf.image.stateless_random_hue(image, MAX_HUE_DELTA, seeds[2]),
        "contrast": lambda image: tf.image.stateless_random_contrast(image, *CONTRASTS, seeds[3]),
    }

    def distorted(order):
        changed = image / 255
        for name in order:
            changed = changes[name](changed)
        return changed

    number = tf.random.stateless_uniform([], order_seed, 0, len(COLOR_ORDERS), tf.int32)
    changed = tf.switch_case(number, [functools.partial(distorted, order) for order in COLOR_ORDERS])
    return tf.clip_by_value(255 * changed, 0, 255)


def random_resized_crop_and_rand_augment(
    source: ImageSource, preprocessing: Preprocessing, seed: tf.Tensor
) -> tf.Tensor:
    """`random_resized_crop`, then `rand_augment`."""
    crop_seed, change_seed = tf.unstack(tf.random.split(seed, 2))
    return rand_augment(random_resized_crop(source, preprocessing, crop_seed), change_seed)


def _shift(source, preprocessing, seed, padding):
    # The papers subtract the mean, and then pad with zeros.
    image = preprocessing.crop(source.pixels(preprocessing.exact)) - preprocessing.mean
    padded = tf.pad(image, [[padding, padding], [padding, padding], [0, 0]]) + preprocessing.mean
    return tf.image.stateless_random_crop(padded, image.shape, seed)


def _resize(image, size):
    return resized_window(image[tf.newaxis], [size, size], [0, 0], [size, size])[0]


AUGMENTATIONS: dict[str, Augmentation] = {
    augmentation.__name__: augmentation
    for augmentation in (
        central_crop,
        pad_and_crop,
        pad_crop_and_flip,
        shift_and_flip,
        scale_jitter_and_color,
        random_resized_crop,
        random_resized_crop_and_color,
        random_resized_crop_and_rand_augment,
    )
}
