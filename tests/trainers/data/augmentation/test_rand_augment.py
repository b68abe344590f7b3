"""RandAugment: its operations give what keras-cv's layers give."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn import datasets

from trainers.data.augmentation.rand_augment import OPERATIONS, rand_augment

WITHOUT_SIGN = {"identity", "stretch_contrast", "equalize", "solarize", "remove_color"}


def photograph():
    return tf.constant(datasets.load_sample_images().images[0][100:140, 200:250], tf.float32)


@pytest.fixture(scope="module")
def references():
    """Functions of a batch, a magnitude and a sign, by the names of the operations."""
    from keras_cv import layers

    values, filled = {"value_range": (0, 255), "seed": 1}, {"fill_mode": "constant", "seed": 1}
    stretching, equalization = layers.AutoContrast(value_range=(0, 255)), layers.Equalization(value_range=(0, 255))
    solarization, contrast = layers.Solarization(**values), layers.RandomContrast(factor=0.5, **values)
    brightness, shear = layers.RandomBrightness(factor=0.5, **values), layers.RandomShear(0.5, 0.5, **filled)
    translation = layers.RandomTranslation(0.5, 0.5, **filled)

    def sheared(images, x=0.0, y=0.0):
        return shear.augment_images(images, {"shear_x": [[x]], "shear_y": [[y]]})

    def shifted(images, x=0.0, y=0.0):
        return translation.augment_images(images, {"width_translations": [[x]], "height_translations": [[y]]})

    return {
        "identity": lambda images, magnitude, sign: images,
        "stretch_contrast": lambda images, magnitude, sign: stretching.augment_images(images),
        "equalize": lambda images, magnitude, sign: equalization.augment_images(images),
        "solarize": lambda images, magnitude, sign: solarization.augment_images(
            images, {"thresholds": 255 * (1 - magnitude), "additions": 110 * magnitude}
        ),
        "remove_color": lambda images, magnitude, sign: (
            images + 0.9 * magnitude * (tf.image.rgb_to_grayscale(images) - images)
        ),
        "change_contrast": lambda images, magnitude, sign: contrast.augment_images(images, 1 + sign * 0.9 * magnitude),
        "change_brightness": lambda images, magnitude, sign: brightness.augment_images(
            images, 255 * sign * 0.9 * magnitude
        ),
        "shear_horizontally": lambda images, magnitude, sign: sheared(images, x=0.3 * sign * magnitude),
        "shear_vertically": lambda images, magnitude, sign: sheared(images, y=0.3 * sign * magnitude),
        "shift_vertically": lambda images, magnitude, sign: shifted(images, y=0.45 * sign * magnitude),
        "shift_horizontally": lambda images, magnitude, sign: shifted(images, x=0.45 * sign * magnitude),
    }


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_that_of_keras_cv(name, references):
    noise = tf.constant(np.random.default_rng(0).uniform(0, 255, (33, 28, 3)), tf.float32)
    for image in (photograph(), 70 + photograph() / 4, noise, tf.fill((8, 9, 3), 128.0)):
        for magnitude in (0.0, 0.1, 0.3, 0.77, 1.0):
            for sign in (-1.0, 1.0):
                result = OPERATIONS[name](image, tf.constant(magnitude), tf.constant(sign))
                expected = references[name](image[tf.newaxis], magnitude, sign)[0]
                np.testing.assert_allclose(result, expected, atol=0.005)


def test_every_operation_but_the_identity_changes_the_image():
    image = photograph()
    for name, operation in OPERATIONS.items():
        results = [operation(image, tf.constant(0.5), tf.constant(sign)).numpy() for sign in (-1.0, 1.0)]
        assert all(result.shape == image.shape and np.all(np.isfinite(result)) for result in results), name
        assert all((np.abs(result - image).max() > 1) == (name != "identity") for result in results), name
        assert np.array_equal(*results) == (name in WITHOUT_SIGN), name


@pytest.mark.parametrize("value", [0.0, 128.0, 255.0])
def test_constant_images_stay_finite(value):
    image = tf.fill((8, 8, 3), value)  # Stretching the contrast divides by the range of the pixels.
    for name, operation in OPERATIONS.items():
        for magnitude in (0.0, 1.0):
            result = operation(image, tf.constant(magnitude), tf.constant(-1.0))
            assert np.all(np.isfinite(result)), (name, magnitude)


def test_shifts_go_as_far_as_their_magnitude():
    image = tf.concat([tf.zeros((40, 20, 3)), tf.fill((40, 20, 3), 200.0)], axis=1)
    moved = OPERATIONS["shift_horizontally"](image, tf.constant(1.0), tf.constant(1.0)).numpy()[20, :, 0]
    assert np.flatnonzero(moved > 100)[0] == 20 + round(0.45 * 40)
    still = OPERATIONS["shift_vertically"](image, tf.constant(1.0), tf.constant(1.0)).numpy()[35, :, 0]
    assert np.flatnonzero(still > 100)[0] == 20


def test_two_operations_are_applied_and_the_range_kept():
    image = photograph()[:16, :16]
    augment = tf.function(lambda seed: rand_augment(image, seed))
    results = [augment(tf.constant([0, i])).numpy() for i in range(60)]
    assert all(result.shape == image.shape and result.min() >= 0 and result.max() <= 255 for result in results)
    # Both choices are the identity, one of eleven operations, in 1 of 121 cases.
    assert sum(np.array_equal(result, image) for result in results) < 5
    assert len({result.tobytes() for result in results}) > 50


def test_a_seed_keeps_its_meaning():
    """A run that is resumed sees the images that it would have seen: these means are of keras-cv's layers."""
    image = photograph()
    augment = tf.function(lambda seed: rand_augment(image, seed))
    means = [np.mean(augment(tf.constant([0, i]))) for i in range(10)]
    expected = [138.958, 60.929, 57.8, 89.997, 140.282, 78.063, 77.948, 30.423, 78.364, 69.912]
    np.testing.assert_allclose(means, expected, atol=0.002)
