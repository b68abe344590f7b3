"""Random changes of training images for classification."""

import collections

import numpy as np
import pytest
import tensorflow as tf
from sklearn import datasets

from keras_resnets.preprocessing import Preprocessing
from trainers.data.augmentation.classification import (
    AUGMENTATIONS,
    distort_colors,
    pad_and_crop,
    pad_crop_and_flip,
    random_resized_crop,
    scale_jitter_and_color,
    shift_colors,
)
from trainers.data.image_source import Pixels


def preprocessing(size, mean=(0.0, 0.0, 0.0)):
    return Preprocessing(size, size, mean, (1, 1, 1))


def ramp(height, width):
    """An image whose red is the row and whose green is the column."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, np.zeros_like(rows)], axis=-1).astype("uint8")


def test_crops_are_windows_of_the_padded_image_and_all_occur():
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype("uint8")
    fill = (1.0, 2.0, 3.0)
    padded = np.broadcast_to(np.float32(fill), (16, 16, 3)).copy()
    padded[4:12, 4:12] = image
    windows = np.stack([padded[y : y + 8, x : x + 8] for y in range(9) for x in range(9)])
    random_crop = tf.function(lambda seed: pad_and_crop(Pixels(tf.constant(image)), preprocessing(8, fill), seed))
    seen = collections.Counter()
    for i in range(1200):
        crop = random_crop(tf.constant([0, i])).numpy()
        (place,) = np.flatnonzero(np.all(np.isclose(windows, crop, atol=1e-4), axis=(1, 2, 3)))
        seen[place] += 1
    assert len(seen) == 81 and max(seen.values()) < 40


def test_half_of_the_images_are_mirrored_whatever_the_crop():
    image = np.broadcast_to(np.arange(1, 9, dtype="uint8")[None, :, None], (8, 8, 3))
    random_crop = tf.function(lambda seed: pad_crop_and_flip(Pixels(tf.constant(image)), preprocessing(8), seed))
    falling, left = [], []
    for i in range(400):
        crop = random_crop(tf.constant([7, i]))
        row = crop.numpy()[..., 0].max(axis=0)
        falling.append(row[row > 0][0] > row[row > 0][-1])
        left.append(row[0] == 0)
    assert 160 < sum(falling) < 240
    assert 0.1 < np.mean(np.array(left)[np.array(falling)]) < 0.9


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmentation_depends_on_the_seed_alone_and_keeps_the_range(name):
    pixels = datasets.load_sample_images().images[0][:60, :80]
    source = Pixels(tf.constant(pixels))
    augment = tf.function(lambda seed: AUGMENTATIONS[name](source, Preprocessing(32, 36, (9, 9, 9), (1, 1, 1)), seed))
    images = [augment(tf.constant([1, i])).numpy() for i in range(20)]
    np.testing.assert_array_equal(images[3], augment(tf.constant([1, 3])))
    assert all(image.shape == (32, 32, 3) and 0 <= image.min() and image.max() <= 255 for image in images)
    different = {image.tobytes() for image in images}
    assert (len(different) == 1) == (name == "central_crop") and len(different) in {1, *range(10, 21)}


def test_scale_jitter_cuts_squares_of_the_papers_scales():
    source = Pixels(tf.constant(ramp(200, 250)))
    random_crop = tf.function(lambda seed: scale_jitter_and_color(source, preprocessing(28), seed))
    sides, tops, lefts = [], [], []
    for i in range(300):
        image = random_crop(tf.constant([0, i])).numpy()
        rows, columns = image[..., 0].mean(axis=1), image[..., 1].mean(axis=0)
        sides.append((rows[-1] - rows[0]) * 28 / 27)
        assert abs(abs(columns[-1] - columns[0]) * 28 / 27 - sides[-1]) < 8  # square: the shape is kept
        tops.append(rows[0])
        lefts.append(min(columns[0], columns[-1]))
    # The short side of 200 pixels is 256 to 480 when 224 are cut out: 93 to 175 pixels of the image.
    assert 85 < min(sides) < 105 and 160 < max(sides) < 180
    assert min(tops) < 12 and max(tops) > 80 and min(lefts) < 12 and max(lefts) > 120


def test_colors_shift_along_the_principal_components():
    shift = tf.function(lambda seed: shift_colors(tf.fill((1, 1, 3), 128.0), seed)[0, 0] - 128)
    shifts = np.array([shift(tf.constant([0, i])) for i in range(3000)])
    vectors = np.array([[-0.5675, -0.5808, -0.5836], [0.7192, -0.0045, -0.6948], [0.4009, -0.8140, 0.4203]])
    deviations = (shifts @ vectors.T).std(axis=0)
    np.testing.assert_allclose(deviations, 255 * 0.1 * np.array([0.2175, 0.0188, 0.0045]), rtol=0.08)


def test_colors_are_distorted_as_far_as_published():
    distort = tf.function(distort_colors)

    def distorted(pixels):
        return np.array([distort(tf.constant([pixels]), tf.constant([0, i]))[0] for i in range(300)])

    gray = distorted([[100.0, 100, 100]])
    np.testing.assert_allclose(gray - gray[..., :1], 0, atol=1e-2)  # It stays gray: only its brightness has changed.
    assert 68 <= gray.min() < 72 and 128 < gray.max() <= 132
    edges = distorted([[60.0, 60, 60], [140, 140, 140]])
    contrasts = (edges[:, 1, 0] - edges[:, 0, 0]) / 80
    assert 0.5 <= contrasts.min() < 0.53 and 1.47 < contrasts.max() <= 1.5
    colors = distorted([[150.0, 100, 100]])[:, 0]
    saturations = np.ptp(colors, axis=1) / 50
    assert 0.49 < saturations.min() < 0.53 and 1.47 < saturations.max() < 1.51
    hues = (tf.image.rgb_to_hsv(colors / 255)[:, 0] + 0.5) % 1 - 0.5
    assert -0.2 <= min(hues) < -0.19 and 0.19 < max(hues) <= 0.2
    extremes = distorted([[0.0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 0, 255]])
    assert np.all((extremes >= 0) & (extremes <= 255))  # False for what is no number.


def test_random_resized_crops_have_the_published_areas_and_shapes():
    source = Pixels(tf.constant(ramp(200, 200)))
    random_crop = tf.function(lambda seed: random_resized_crop(source, preprocessing(20), seed))
    areas, ratios = [], []
    for i in range(300):
        image = random_crop(tf.constant([0, i])).numpy()
        height = (image[-1, :, 0].mean() - image[0, :, 0].mean()) * 20 / 19
        width = abs(image[:, -1, 1].mean() - image[:, 0, 1].mean()) * 20 / 19
        areas.append(height * width / 200**2)
        ratios.append(width / height)
    assert 0.05 < min(areas) < 0.14 and 0.8 < max(areas) < 1.1
    assert 0.65 < min(ratios) < 0.85 and 1.15 < max(ratios) < 1.5
