"""Random changes of training images with boxes."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn import datasets

from keras_resnets.detection.resizing import Resizing
from keras_resnets.ops.boxes import iou
from keras_resnets.ops.masks import paste_masks
from keras_resnets.preprocessing import Preprocessing
from trainers.data.augmentation.classification import scale_jitter_and_color
from trainers.data.augmentation.detection import AUGMENTATIONS
from trainers.data.augmentation.iou_crop import iou_window
from trainers.data.augmentation.photometric_distortion import distort
from trainers.data.image_source import Pixels
from trainers.runtime.choices import BOX_AUGMENTATIONS


def change_of(name):
    """Returns the change of an augmentation as a graph, as in training."""
    return tf.function(AUGMENTATIONS[name].change)


@pytest.mark.parametrize("as_torchvision", [False, True])
@pytest.mark.parametrize("name", ["none", "flip", "scale_jitter_and_flip"])
def test_boxes_follow_their_objects(name, as_torchvision):
    """A white rectangle is where its box is, whatever happened to the image."""
    image = np.zeros((90, 120, 3), np.uint8)
    image[20:50, 10:40] = 255
    boxes = np.float32([[10, 20, 40, 50]])
    resizing, change, seen = Resizing(120, 200, (200, 200), as_torchvision), AUGMENTATIONS[name].change, set()
    assert AUGMENTATIONS[name].resizing(resizing) == resizing
    for i in range(8):
        changed, moved, _ = change(image, boxes, resizing, tf.constant([i, 5], tf.int64))
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
    change = change_of("crop_and_color")
    boxes = np.float32([[20, 30, 60, 70], [100, 0, 160, 40]])
    kinds, sides = set(), []
    for i in range(60):
        box, which = boxes[i % 2], i % 2
        image = np.full((100, 160, 3), 60, np.uint8)
        image[int(box[1]) : int(box[3]), int(box[0]) : int(box[2])] = 200
        seed = tf.constant([i, 5], tf.int64)
        changed, moved, _ = change(image, boxes[which : which + 1], resizing, seed)
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
        found, *_ = crop.change(image, np.zeros((0, 4), np.float32), Resizing(64, 64, (56, 56)), seed)
        np.testing.assert_array_equal(found, expected)


SCENE = np.float32([[10, 20, 40, 50], [60, 30, 110, 80]])  # of an image of 90 x 120


def scene():
    """Returns an image (90, 120, 3) uint8 with two rectangles, of red 250 and green 250 on 60, at `SCENE`."""
    image = np.full((90, 120, 3), 60, np.uint8)
    for (x1, y1, x2, y2), channel in zip(SCENE.astype(int), (0, 1)):
        image[y1:y2, x1:x2, channel] = 250
    return image


def test_flags_offer_the_rows():
    assert tuple(AUGMENTATIONS) == BOX_AUGMENTATIONS


@pytest.mark.parametrize("name", ["large_scale_jitter", "iou_crop", "distorted_iou_crop"])
@pytest.mark.parametrize("flip", ["", "_and_flip"])
def test_what_is_seen_of_an_object_is_its_box(name, flip):
    """For every seed: what is left of a rectangle is where its box is; the image fits into the canvas."""
    resizing, change, shapes, mirrored = Resizing(90, 120, (96, 128)), change_of(name + flip), set(), 0
    for i in range(40):
        image, boxes, _ = change(scene(), SCENE, resizing, tf.constant([i, 3], tf.int64))
        shapes.add(tuple(image.shape))
        assert image.dtype == tf.float32 and np.all(np.array(image.shape[:2]) <= resizing.canvas)
        assert 0 <= np.min(image) and np.max(image) <= 255
        for channel, (x1, y1, x2, y2) in enumerate(boxes.numpy()):
            seen = image.numpy()[..., channel] - image.numpy()[..., 1 - channel] > 60
            if x2 - x1 > 3 and y2 - y1 > 3:
                rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
                found = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
                np.testing.assert_allclose([x1, y1, x2, y2], found, rtol=0, atol=1.5)
        places = boxes.numpy()[:, 0]
        mirrored += bool(np.all(boxes[:, 2] > boxes[:, 0]) and places[0] > places[1])
    assert len(shapes) > 20 and (mirrored > 3) == bool(flip)


def test_large_scale_jitter_draws_factors_of_a_tenth_to_two():
    resizing, factors, places = Resizing(90, 120, (96, 128)), [], set()
    change = change_of("large_scale_jitter")
    for i in range(80):
        image, boxes, _ = change(scene(), SCENE, resizing, tf.constant([i, 1]))
        x1, y1, x2, y2 = boxes.numpy()[0]
        if 0 < x1 and 0 < y1 and x2 < image.shape[1] and y2 < image.shape[0]:
            factors.append((x2 - x1) / 30)
            if factors[-1] > 1.2:
                places.add(float(x1))
    assert 0.1 <= min(factors) < 0.3 and 1.7 < max(factors) <= 2.02
    assert len(places) > 3  # The part of a large image is not always the same.


def test_a_crop_has_the_iou_that_was_drawn():
    """Over many seeds: whole images as often as every seventh at least, and windows that have small and large IoUs."""
    shape, objects = tf.constant([90, 120]), tf.constant(SCENE)
    find = tf.function(lambda seed: iou_window(shape, objects, seed))
    windows = np.stack([find(tf.constant([i, 9])).numpy() for i in range(200)])
    whole = np.all(windows == [0, 0, 120, 90], axis=1)
    assert 1 / 7 - 0.1 < whole.mean() < 0.5
    x1, y1, x2, y2 = windows[~whole].T
    assert min(x1.min(), y1.min()) >= 0 and x2.max() <= 120 and y2.max() <= 90
    for side, size in ((x2 - x1, 120), (y2 - y1, 90)):
        assert 0.3 * size - 1 <= side.min() and side.max() <= size
    assert np.all((x2 - x1) / (y2 - y1) >= 0.5) and np.all((x2 - x1) / (y2 - y1) <= 2)
    centers = (SCENE[:, :2] + SCENE[:, 2:]) / 2
    inside = (centers > windows[~whole, np.newaxis, :2]) & (centers < windows[~whole, np.newaxis, 2:])
    assert np.all(inside.all(axis=2).any(axis=1))  # Each window has the centre of an object.
    best = np.max(iou(tf.cast(windows[~whole], tf.float32), objects), axis=1)
    assert np.mean(best > 0.5) > 0.2 and best.min() < 0.4
    np.testing.assert_array_equal(find(tf.constant([7, 9])), windows[7])


def test_a_crop_leaves_out_objects_whose_centre_is_outside_and_asks_objects_only():
    resizing, change = Resizing(90, 120, (96, 128)), change_of("iou_crop")
    kinds, proposal = set(), np.float32([[0, 0, 5, 5]])
    for i in range(60):
        seed = tf.constant([i, 5])
        _, boxes, _ = change(scene(), SCENE, resizing, seed)
        _, moved, _ = change(scene(), np.concatenate([proposal, SCENE]), resizing, seed, 1)
        np.testing.assert_array_equal(moved[1:], boxes)  # Proposals do not choose the window.
        kinds.add(tuple((boxes.numpy()[:, 2] > boxes.numpy()[:, 0]).tolist()))
    assert kinds == {(True, True), (True, False), (False, True)}


@pytest.mark.parametrize("name", ["iou_crop", "large_scale_jitter_and_flip"])
def test_images_without_objects_are_changed_as_well(name):
    for i in range(4):
        none = np.zeros((0, 4), np.float32)
        image, boxes, _ = AUGMENTATIONS[name].change(scene(), none, Resizing(90, 120, (96, 128)), tf.constant([i, 1]))
        assert boxes.shape == (0, 4) and min(image.shape) > 0
        assert name != "iou_crop" or image.shape == (90, 120, 3)


def test_colours_are_distorted_in_half_of_the_images_each():
    """On a gray image, only brightness has an effect; on a coloured one, each change has."""
    gray, colored = tf.fill([4, 4, 3], 100.0), tf.constant(np.float32([[[100, 150, 50], [50, 60, 120]]]))
    change = tf.function(distort)
    changed = np.stack([change(gray, tf.constant([i, 2]))[0, 0] for i in range(100)])
    assert (
        0.3 < np.mean(np.abs(changed[:, 0] - 100) < 0.02) < 0.7
        and 87 <= changed.min() < 92
        and 108 < changed.max() <= 113
    )
    np.testing.assert_allclose(changed, changed[:, :1] * np.ones(3), rtol=1e-4)
    distorted = np.stack([change(colored, tf.constant([i, 2])) for i in range(100)])
    unchanged = np.all(np.abs(distorted - colored) < 1e-2, axis=(1, 2, 3))
    assert 0 < np.mean(unchanged) < 0.2  # 1/16
    assert distorted.min() >= 0 and distorted.max() <= 255
    hues = tf.image.rgb_to_hsv(distorted / 255)[:, 0, 0, 0].numpy()
    assert np.ptp(hues) > 0.06 and np.ptp(hues) <= 0.1 + 1e-3
    np.testing.assert_array_equal(change(colored, tf.constant([3, 2])), distorted[3])


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_masks_follow_their_objects(name):
    """An object that is no rectangle is seen where its mask in its box says, mirrored and cut off as well."""
    image, box = np.full((90, 120, 3), 0, np.uint8), np.float32([[20, 15, 100, 75]])
    image[15:75, 20:60] = image[15:35, 60:100] = 255  # an L
    mask = np.zeros((1, 60, 60), np.float16)
    mask[:, :, :30] = mask[:, :20] = 1
    augmentation, seen = AUGMENTATIONS[name], 0
    resizing = augmentation.resizing(Resizing(90, 120, (96, 128)))
    for i in range(12):
        changed, boxes, masks = augmentation.change(image, box, resizing, tf.constant([i, 3]), masks=tf.constant(mask))
        (x1, y1, x2, y2), white = boxes.numpy()[0], changed.numpy().min(axis=-1) > 127
        if min(x2 - x1, y2 - y1) < 12:
            continue
        pasted = paste_masks(tf.cast(masks[tf.newaxis], tf.float32), boxes[tf.newaxis], *white.shape)[0, 0].numpy()
        inside = np.s_[round(y1) : round(y2), round(x1) : round(x2)]
        assert np.mean(pasted[inside] != white[inside]) < 0.12
        seen += 1
    assert masks.dtype == tf.float16 and seen > 3
