"""Masks in boxes, from run lengths."""

import numpy as np
import tensorflow as tf

from keras_resnets.ops.masks import crop_masks
from trainers.data.box_masks import SIZE, box_masks
from trainers.metrics.masks import encode


def discs():
    """Returns masks (2, 200, 260) uint8 of discs, and boxes (2, 4) with fractions around them."""
    y, x = np.mgrid[:200, :260] + 0.5
    masks = [(x - 90) ** 2 + (y - 80) ** 2 < 60**2, (x - 200) ** 2 / 4 + (y - 150) ** 2 < 20**2]
    return np.uint8(masks), np.float32([[29.7, 19.6, 150.2, 140.4], [160.3, 130.0, 240.0, 170.8]])


def test_they_are_those_of_the_library():
    masks, boxes = discs()
    found = box_masks(tf.constant(encode(masks)), tf.constant(boxes), tf.constant([200, 260]))
    assert found.dtype == tf.float16 and found.shape == (2, SIZE, SIZE)
    expected = crop_masks(tf.constant(masks), tf.constant(boxes), SIZE).numpy()
    # Where cells are smaller than pixels, some take the next one.
    assert np.mean((found.numpy() >= 0.5) != expected) < 0.01
    np.testing.assert_allclose(np.mean(found, axis=(1, 2)), np.mean(expected, axis=(1, 2)), rtol=0.01)


def test_a_thin_object_is_not_lost():
    line = np.zeros((1, 400, 400), np.uint8)
    line[0, 200] = 1
    found = box_masks(tf.constant(encode(line)), tf.constant([[0.0, 0, 400, 400]]), tf.constant([400, 400])).numpy()
    np.testing.assert_allclose(found.max(axis=(1, 2)), SIZE / 400, rtol=0.01)


def test_an_image_may_have_no_object():
    nothing = box_masks(tf.zeros([0], tf.string), tf.zeros([0, 4]), tf.constant([10, 10]))
    assert nothing.shape == (0, SIZE, SIZE)
