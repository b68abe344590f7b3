"""The data sets `digit_scenes` and `one_digit_scenes`, and what training does to images with boxes."""

import hashlib

import numpy as np
import pytest
import tensorflow as tf
from sklearn import datasets

from keras_resnets import ArgumentError
from keras_resnets.detection.resizing import Resizing, to_original
from keras_resnets.preprocessing import Preprocessing
from trainers.data.augmentation.classification import scale_jitter_and_color
from trainers.data.augmentation.detection import AUGMENTATIONS
from trainers.data.image_source import Pixels
from trainers.data.registry import open_dataset, open_detection_dataset
from trainers.data.sources import digit_scenes
from trainers.data.sources.digits import digit_arrays


@pytest.fixture(scope="module")
def few_scenes():
    """A `DetectionDataset` of the first scenes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digit_scenes, "TRAIN", 24)
        patch.setattr(digit_scenes, "TEST", 8)
        yield digit_scenes.open_digit_scenes()


def examples(split):
    rows = []
    for key in split.keys(None):
        example = split.load(key)
        rows.append((example.pop("image").pixels().numpy(), {name: value.numpy() for name, value in example.items()}))
    return rows


def test_scenes_are_what_they_are_said_to_be(few_scenes):
    assert few_scenes.labels == tuple("0123456789") and few_scenes.side == 256
    assert (few_scenes.train.size, few_scenes.test.size) == (24, 8)
    assert 1 <= few_scenes.most_boxes <= 8
    for image, annotation in examples(few_scenes.train) + examples(few_scenes.test):
        assert image.shape == (256, 256, 3) and image.dtype == np.uint8
        boxes = annotation["boxes"]
        sides = np.max(boxes[:, 2:] - boxes[:, :2], axis=1)
        assert 1 <= len(boxes) <= 8 and sides.min() >= 24 and sides.max() <= 96
        assert boxes.min() >= 0 and boxes.max() <= 256 and not annotation["ignored"].any()
        np.testing.assert_array_equal(annotation["areas"], np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))


def test_scenes_are_always_the_same(few_scenes):
    again = digit_scenes._scenes(3, 0, *digit_arrays()[::2], digit_scenes.Progress(3, "", "", shown=False))
    for (image, annotation), other, other_annotation in zip(examples(few_scenes.train), *again):
        np.testing.assert_array_equal(image, other)
        np.testing.assert_array_equal(annotation["boxes"], other_annotation.boxes)


@pytest.mark.parametrize(
    "split, checksum",
    [
        ("train", "18a9a3d5c1c815bd4e9db269a9f6a37fbd34f73901877805e8d2514dab6e21ea"),
        ("test", "56574f3c1f579425fd97deb25e1a5e99396c8acdabad14f95377a00ca4eea8ea"),
    ],
)
def test_digit_scenes_are_those_of_the_published_figures(few_scenes, split, checksum):
    images, annotations = zip(*examples(getattr(few_scenes, split))[:4])
    rows = [annotation[name].tobytes() for annotation in annotations for name in ("boxes", "classes")]
    assert hashlib.sha256(np.stack(images).tobytes() + b"".join(rows)).hexdigest() == checksum


@pytest.fixture
def one_digit_scenes(monkeypatch):
    """The first scenes of `one_digit_scenes` as a `DetectionDataset` and as an `ImageDataset`."""
    monkeypatch.setattr(digit_scenes, "ONE_DIGIT_TRAIN", 24)
    monkeypatch.setattr(digit_scenes, "ONE_DIGIT_TEST", 8)
    return open_detection_dataset("one_digit_scenes"), open_dataset("one_digit_scenes")


def test_one_digit_scenes_have_one_digit(one_digit_scenes):
    scenes, _ = one_digit_scenes
    assert scenes.labels == tuple("0123456789") and (scenes.side, scenes.most_boxes) == (128, 1)
    assert (scenes.train.size, scenes.test.size) == (24, 8)
    pictures = set()
    for image, annotation in examples(scenes.train) + examples(scenes.test):
        assert image.shape == (128, 128, 3) and image.dtype == np.uint8
        (x1, y1, x2, y2), side = annotation["boxes"][0], np.max(annotation["boxes"][0, 2:] - annotation["boxes"][0, :2])
        assert annotation["boxes"].shape == (1, 4) and 24 <= side <= 96
        assert min(x1, y1) >= 0 and max(x2, y2) <= 128 and not annotation["ignored"].any()
        pictures.add(image.tobytes())
    assert len(pictures) == 32


def test_one_digit_scenes_are_labelled_with_their_digit(one_digit_scenes):
    scenes, images = one_digit_scenes
    assert images.labels == scenes.labels and images.side == 128
    for name in ("train", "test"):
        split = getattr(images, name)
        rows = [split.load(key) for key in split.keys(None)]
        for row, (image, annotation) in zip(rows, examples(getattr(scenes, name)), strict=True):
            np.testing.assert_array_equal(row["image"].pixels(), image)
            assert row["label"].dtype == tf.int32 and row["label"] == annotation["classes"][0]
    training = np.stack([image for image, _ in examples(scenes.train)]).astype("float64")
    np.testing.assert_allclose(images.mean, training.mean(axis=(0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(images.std, training.std(axis=(0, 1, 2)), rtol=1e-6)


def test_a_scene_of_one_digit_gets_another_background_where_there_is_no_place_for_it(monkeypatch):
    monkeypatch.setattr(digit_scenes, "UNEVENNESS", 4)
    digits, _, labels, _ = digit_arrays()
    inks, photos = [digit_scenes._ink(digit) for digit in digits], datasets.load_sample_images().images
    first = [digit_scenes._scene(np.random.default_rng((2, i)), photos, inks, 128, 1)[1] for i in range(8)]
    assert 0 < sum(map(len, first)) < 8
    progress = digit_scenes.Progress(8, "", "", shown=False)
    _, annotations = digit_scenes._scenes(8, 2, digits, labels, progress, 128, 1)
    assert [len(annotation.boxes) for annotation in annotations] == 8 * [1]


def test_boxes_are_tight():
    """On black, the pixels that a white digit changes by half are in its box, and reach all of its sides."""
    digits, _, labels, _ = digit_arrays()
    for i in range(20):
        ink = digit_scenes._resized(digit_scenes._ink(digits[i]), 60)
        assert max(ink.shape) == 60
        for edge in (ink[0], ink[-1], ink[:, 0], ink[:, -1]):
            assert edge.max() > 0.3


@pytest.mark.parametrize(
    "shape, target",
    [
        ((480, 640), (600, 800)),
        ((300, 900), (333, 1000)),  # The long side would be 1,800.
        ((2000, 1000), (1000, 500)),
        ((600, 1000), (600, 1000)),
        ((1, 5000), (1, 1000)),
    ],
)
def test_images_keep_their_proportions(shape, target):
    resized, scale = Resizing(600, 1000, (1024, 1024)).resize(np.zeros((*shape, 3), np.uint8))
    assert resized.shape == (*target, 3)
    np.testing.assert_allclose(scale, np.array(target) / shape)


def test_images_that_do_not_fit_the_canvas_become_smaller():
    resizing = Resizing(600, 1000, (640, 1024))
    resized, scale = resizing.resize(np.full((1000, 600, 3), 7, np.uint8))
    assert resized.shape == (640, 384, 3)
    canvas, valid = resizing.pad(resized)
    assert canvas.shape == (640, 1024, 3) and list(valid) == [640, 384]
    np.testing.assert_allclose(canvas[:640, :384], 7, rtol=1e-5)
    assert not np.any(canvas[:, 384:])
    boxes = np.float32([[[0, 0, 384, 640]]])
    np.testing.assert_allclose(to_original(boxes, scale[tf.newaxis]), [[[0, 0, 600, 1000]]], rtol=1e-6)


def test_an_image_of_the_right_size_keeps_its_values():
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    resized, scale = Resizing(64, 96, (96, 96)).resize(image)
    np.testing.assert_array_equal(resized, image)
    np.testing.assert_array_equal(scale, [1, 1])


def test_sizes_that_cannot_be_are_refused():
    with pytest.raises(ArgumentError, match="short_side=600, long_side=500 and canvas="):
        Resizing(600, 500, (600, 600))


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
    # Of 100 pixels, 256/224 to 480/224 of 56 are the short side.
    assert 56 / 88 <= min(sides) < 0.8 and 1.0 < max(sides) <= 56 / 46


def test_localization_sees_what_classification_does():
    """Of the same seed: the crop, at the same scale and place, mirrored and coloured alike."""
    image = datasets.load_sample_images().images[0][:100, :160]
    source, crop = Pixels(tf.constant(image)), AUGMENTATIONS["crop_and_color"]
    for i in range(4):
        seed = tf.constant([i, 5], tf.int64)
        expected = scale_jitter_and_color(source, Preprocessing(56, 64, (0, 0, 0), (1, 1, 1)), seed)
        found, _ = crop.change(image, np.zeros((0, 4), np.float32), Resizing(64, 64, (56, 56)), seed)
        np.testing.assert_array_equal(found, expected)
