"""Random changes of training images with boxes."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn import datasets

from keras_resnets.detection.resizing import Resizing
from keras_resnets.preprocessing import Preprocessing
from trainers.data.augmentation.classification import scale_jitter_and_color
from trainers.data.augmentation.detection import AUGMENTATIONS
from trainers.data.image_source import Pixels


@pytest.mark.parametrize("name", ["none", "flip", "scale_jitter_and_flip"])
def test_boxes_follow_their_objects(name):
    """A white rectangle is where its box is, whatever happened to the image."""
    image = np.zeros((90, 120, 3), np.uint8)
    image[20:50, 10:40] = 255
    boxes = np.float32([[10, 20, 40, 50]])
    resizing, change, seen = Resizing(120, 200, (200, 200)), AUGMENTATIONS[name].change, set()
    assert AUGMENTATIONS[name].resizing(resizing) == resizing
    for i in range(8):
        changed, moved = change(image, boxes, resizing, tf.constant([i, 5], tf.int64))
        (x1, y1, x2, y2), inside = moved.numpy()[0], np.zeros(changed.shape[:2])
        inside[round(y1) : round(y2), round(x1) : round(x2)] = 1
        white = changed.numpy()[..., 0] > 127
        assert np.mean(white != inside) < 0.02 and white.sum() > 400
        seen.add((tuple(changed.shape), bool(x1 > changed.shape[1] / 2)))
    assert len(seen) == {"none": 1, "flip": 2}.get(name, len(seen)) and (
        name != "scale_jitter_and_flip" or len(seen) > 4
    )
    again = change(image, boxes, resizing, tf.constant([7, 5], tf.int64))
    np.testing.assert_array_equal(again[0], changed)


def test_crops_cut_boxes_off_and_leave_out_those_whose_centre_is_outside():
    """White rectangles: what is seen of one is its box, if its centre is in the crop; the others have no area."""
    crop = AUGMENTATIONS["crop_and_color"]
    resizing = crop.resizing(Resizing(64, 128, (128, 128)))
    assert resizing.canvas == (56, 56)  # as 224 of 256
    boxes = np.float32([[20, 30, 60, 70], [100, 0, 160, 40]])
    kinds, sides = set(), []
    for i in range(60):
        box, which = boxes[i % 2], i % 2
        image = np.full((100, 160, 3), 60, np.uint8)
        image[int(box[1]) : int(box[3]), int(box[0]) : int(box[2])] = 200
        seed = tf.constant([i, 5], tf.int64)
        changed, moved = crop.change(image, boxes[which : which + 1], resizing, seed)
        white = changed.numpy()[..., 0] > 130
        rows, columns = np.flatnonzero(white.any(axis=1)), np.flatnonzero(white.any(axis=0))
        (x1, y1, x2, y2), whole = moved.numpy()[0], False
        if x2 > x1:
            seen = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
            np.testing.assert_allclose([x1, y1, x2, y2], seen, rtol=0, atol=1.01)
            # At least half of each side is seen, as the centre is.
            assert changed.shape == (56, 56, 3) and x2 - x1 >= (box[2] - box[0]) * 56 / 88 / 2 - 1
            whole = min(x1, y1) > 0 and max(x2, y2) < 56
            if whole:
                sides.append((x2 - x1) / (box[2] - box[0]))
        else:
            assert [x1, y1, x2, y2] in ([0, 0, 0, 0], [56, 0, 56, 0])
            assert white.mean() < 0.5  # not what a crop around the centre has
        kinds.add((which, "whole" if whole else "cut" if x2 > x1 else "left out"))
    # The second one is at the image's border.
    assert kinds == {(0, "whole"), (0, "cut"), (0, "left out"), (1, "cut"), (1, "left out")}
    # The image has 100 pixels; its short side becomes 256/224 to 480/224 of 56.
    assert 56 / 88 <= min(sides) < 0.8 and 1.0 < max(sides) <= 56 / 46


def test_localization_sees_what_classification_does():
    """With the same seed, the crop has the same scale and place, and is mirrored and coloured alike."""
    image = datasets.load_sample_images().images[0][:100, :160]
    source, crop = Pixels(tf.constant(image)), AUGMENTATIONS["crop_and_color"]
    for i in range(4):
        seed = tf.constant([i, 5], tf.int64)
        expected = scale_jitter_and_color(source, Preprocessing(56, 64, (0, 0, 0), (1, 1, 1)), seed)
        found, _ = crop.change(image, np.zeros((0, 4), np.float32), Resizing(64, 64, (56, 56)), seed)
        np.testing.assert_array_equal(found, expected)
