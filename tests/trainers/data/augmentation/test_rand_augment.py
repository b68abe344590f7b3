"""RandAugment."""

import numpy as np
import tensorflow as tf
from sklearn import datasets

from trainers.data.augmentation import rand_augment as module
from trainers.data.augmentation.rand_augment import rand_augment


def test_every_operation_changes_the_image():
    image = tf.constant(datasets.load_sample_images().images[0][100:140, 200:250], tf.float32)[tf.newaxis]
    identity, *others = module._operations()
    np.testing.assert_array_equal(identity(image, 0.5, 1.0), image)
    results = [operation(image, tf.constant(0.5), tf.constant(sign)) for operation in others for sign in (-1.0, 1.0)]
    for result in results:
        assert result.shape == image.shape and not np.allclose(result, image, atol=1)
        assert np.all(np.isfinite(result))
    assert len({np.round(result).tobytes() for result in results}) > len(others)


def test_shifts_and_shears_go_as_far_as_their_magnitude():
    image = tf.concat([tf.zeros((1, 40, 20, 3)), tf.fill((1, 40, 20, 3), 200.0)], axis=2)
    *_, down, right = module._operations()
    moved = right(image, tf.constant(1.0), tf.constant(1.0)).numpy()[0, 20, :, 0]
    assert np.flatnonzero(moved > 100)[0] == 20 + round(0.45 * 40)
    still = down(image, tf.constant(1.0), tf.constant(1.0)).numpy()[0, 35, :, 0]
    assert np.flatnonzero(still > 100)[0] == 20


def test_constant_images_keep_their_range():
    image = tf.fill((16, 16, 3), 128.0)
    results = [rand_augment(image, tf.constant([0, i])).numpy() for i in range(100)]
    assert all(np.all((result >= 0) & (result <= 255)) for result in results)  # False for what is no number.
