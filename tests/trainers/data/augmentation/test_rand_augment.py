"""RandAugment."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn import datasets

from trainers.data.augmentation.rand_augment import operations, rand_augment

WITHOUT_SIGN = {"identity", "stretch_contrast", "equalize", "solarize", "remove_color"}


def test_every_operation_but_the_identity_changes_the_image():
    image = tf.constant(datasets.load_sample_images().images[0][100:140, 200:250], tf.float32)[tf.newaxis]
    for name, operation in operations().items():
        results = [operation(image, tf.constant(0.5), tf.constant(sign)).numpy() for sign in (-1.0, 1.0)]
        assert all(result.shape == image.shape and np.all(np.isfinite(result)) for result in results), name
        assert all((np.abs(result - image).max() > 1) == (name != "identity") for result in results), name
        assert np.array_equal(*results) == (name in WITHOUT_SIGN), name


@pytest.mark.parametrize("value", [0.0, 128.0, 255.0])
def test_constant_images_stay_finite(value):
    image = tf.fill((1, 8, 8, 3), value)  # Stretching the contrast divides by the range of the pixels.
    for name, operation in operations().items():
        for magnitude in (0.0, 1.0):
            result = operation(image, tf.constant(magnitude), tf.constant(-1.0))
            assert np.all(np.isfinite(result)), (name, magnitude)


def test_shifts_go_as_far_as_their_magnitude():
    image = tf.concat([tf.zeros((1, 40, 20, 3)), tf.fill((1, 40, 20, 3), 200.0)], axis=2)
    moved = operations()["shift_horizontally"](image, tf.constant(1.0), tf.constant(1.0)).numpy()[0, 20, :, 0]
    assert np.flatnonzero(moved > 100)[0] == 20 + round(0.45 * 40)
    still = operations()["shift_vertically"](image, tf.constant(1.0), tf.constant(1.0)).numpy()[0, 35, :, 0]
    assert np.flatnonzero(still > 100)[0] == 20


def test_two_operations_are_applied_and_the_range_kept():
    image = tf.constant(datasets.load_sample_images().images[0][100:116, 200:216], tf.float32)
    augment = tf.function(lambda seed: rand_augment(image, seed))
    results = [augment(tf.constant([0, i])).numpy() for i in range(60)]
    assert all(result.shape == image.shape and result.min() >= 0 and result.max() <= 255 for result in results)
    # Both choices are the identity, one of eleven operations, in 1 of 121 cases.
    assert sum(np.array_equal(result, image) for result in results) < 5
    assert len({result.tobytes() for result in results}) > 50


def test_the_global_generator_is_left_alone():
    generator = tf.random.get_global_generator()
    state = generator.state.numpy()
    operations.cache_clear()  # Layers are made anew.
    rand_augment(tf.fill((8, 8, 3), 128.0), tf.constant([0, 1]))
    assert tf.random.get_global_generator() is generator
    np.testing.assert_array_equal(generator.state, state)
