"""The data sets `digit_scenes` and `one_digit_scenes`."""

import hashlib
import types

import numpy as np
import pytest
import tensorflow as tf
from sklearn import datasets

from trainers.data.registry import open_dataset, open_detection_dataset
from trainers.data.sources import digit_scenes
from trainers.metrics.masks import decode


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
    assert 1 <= few_scenes.max_boxes <= 8
    for image, annotation in examples(few_scenes.train) + examples(few_scenes.test):
        assert image.shape == (256, 256, 3) and image.dtype == np.uint8
        boxes = annotation["boxes"]
        sides = np.max(boxes[:, 2:] - boxes[:, :2], axis=1)
        assert 1 <= len(boxes) <= 8 and sides.min() >= 24 and sides.max() <= 96
        assert boxes.min() >= 0 and boxes.max() <= 256 and not annotation["ignored"].any()
        np.testing.assert_array_equal(annotation["areas"], np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))


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


def test_masks_are_the_ink_of_the_digits(few_scenes, monkeypatch):
    """Each mask is in its box, touches its sides, and parts two colours; boxes and images are those without masks."""
    monkeypatch.setattr(digit_scenes, "TRAIN", 6)
    monkeypatch.setattr(digit_scenes, "TEST", 1)
    with_masks = examples(digit_scenes.open_digit_scenes(masks=True).train)
    for (image, annotation), (expected_image, expected) in zip(with_masks, examples(few_scenes.train)):
        np.testing.assert_array_equal(image, expected_image)
        np.testing.assert_array_equal(annotation["boxes"], expected["boxes"])
        assert "masks" not in expected
        for box, runs in zip(annotation["boxes"], annotation["masks"]):
            x1, y1, x2, y2 = map(int, box)
            mask = decode(runs, 256, 256).astype(bool)
            rows, columns = np.nonzero(mask)
            np.testing.assert_allclose([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], box, atol=2)
            inside, luminance = mask[y1:y2, x1:x2], image[y1:y2, x1:x2].mean(axis=-1)
            assert 0.1 < inside.mean() < 0.8
            assert abs(np.median(luminance[inside]) - np.median(luminance[~inside])) > 60


@pytest.fixture
def one_digit_scenes(monkeypatch):
    """The first scenes of `one_digit_scenes` as a `DetectionDataset` and as an `ImageDataset`."""
    monkeypatch.setattr(digit_scenes, "ONE_DIGIT_TRAIN", 24)
    monkeypatch.setattr(digit_scenes, "ONE_DIGIT_TEST", 8)
    return open_detection_dataset("one_digit_scenes"), open_dataset("one_digit_scenes")


def test_one_digit_scenes_have_one_digit(one_digit_scenes):
    scenes, _ = one_digit_scenes
    assert scenes.labels == tuple("0123456789") and (scenes.side, scenes.max_boxes) == (128, 1)
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


def test_every_scene_has_its_digit_where_few_backgrounds_have_a_place(monkeypatch):
    """Without the choice of another background, most of these scenes would be empty."""
    monkeypatch.setattr(digit_scenes, "UNEVENNESS", 4)
    monkeypatch.setattr(digit_scenes, "ONE_DIGIT_TRAIN", 24)
    monkeypatch.setattr(digit_scenes, "ONE_DIGIT_TEST", 8)
    scenes = open_detection_dataset("one_digit_scenes")
    counts = [len(annotation["boxes"]) for _, annotation in examples(scenes.train) + examples(scenes.test)]
    assert counts == 32 * [1]


def test_boxes_are_tight(monkeypatch):
    """On black photographs, the box is where the scene is not black, and the digit reaches all of its sides."""
    black = types.SimpleNamespace(images=[np.zeros((200, 300, 3), np.uint8)])
    monkeypatch.setattr(datasets, "load_sample_images", lambda: black)
    monkeypatch.setattr(digit_scenes, "ONE_DIGIT_TRAIN", 24)
    monkeypatch.setattr(digit_scenes, "ONE_DIGIT_TEST", 1)
    for image, annotation in examples(open_detection_dataset("one_digit_scenes").train):
        x1, y1, x2, y2 = annotation["boxes"][0].astype(int)
        digit = image[y1:y2, x1:x2].max(axis=-1)
        assert np.count_nonzero(image.max(axis=-1)) == np.count_nonzero(digit)
        assert min(edge.max() for edge in (digit[0], digit[-1], digit[:, 0], digit[:, -1])) > 60
