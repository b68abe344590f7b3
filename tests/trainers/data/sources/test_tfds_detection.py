"""Data sets of TensorFlow Datasets with boxes."""

import contextlib
import io

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from annotated_images import load, sizes
from PIL import Image

from keras_resnets import ArgumentError
from trainers.data.pipeline import training_batches
from trainers.data.sources.tfds_detection import open_tfds
from trainers.data.split import hold_out


def jpeg(width, height):
    file = io.BytesIO()
    Image.new("RGB", (width, height)).save(file, "JPEG")
    return file.getvalue()


@contextlib.contextmanager
def prepared(splits, **objects):
    """Data sets have these splits, {name: width of the image}, of one image each, 50 high, with these objects."""

    def as_dataset(builder, split, decoders, read_config, **unused):
        assert split in splits and "image" in decoders
        return tf.data.Dataset.from_tensors({"image": jpeg(splits[split], 50), "objects": objects})

    with tfds.testing.mock_data(as_dataset_fn=as_dataset):
        yield


def test_voc_counts_pixels_from_1(tmp_path):
    bbox = [[1 / 50, 11 / 100, 40 / 50, 31 / 100], [0.5, 1 / 100, 1.0, 1.0], [0.5, 0.5, 0.4, 0.6]]
    with prepared(
        {"train+validation": 100, "test": 100}, bbox=bbox, label=[14, 8, 3], is_difficult=[True, False, False]
    ):
        dataset = open_tfds("voc/2007", str(tmp_path), download=False)
        (example,) = load(dataset.train)
    np.testing.assert_allclose(example["boxes"], [[10, 0, 31, 40], [0, 24, 100, 50]], atol=1e-5)
    np.testing.assert_allclose(example["areas"], [21 * 40, 100 * 26], rtol=1e-6)
    assert [dataset.labels[index] for index in example["classes"]] == ["person", "chair"]
    assert example["ignored"].tolist() == [True, False]
    assert (len(dataset.labels), dataset.side, dataset.max_boxes) == (20, None, None)


def test_coco_has_crowds_and_areas(tmp_path):
    objects = {"bbox": [[0.0, 0.1, 0.5, 0.6]] * 2, "label": [79, 0], "is_crowd": [False, True], "area": [123, 4567]}
    with prepared({"train": 100, "test": 101}, **objects):
        dataset = open_tfds("coco/2017", str(tmp_path), download=False)
        (example,) = load(dataset.train)
    np.testing.assert_allclose(example["boxes"], [[10, 0, 60, 25]] * 2, rtol=1e-6)
    assert example["classes"].tolist() == [79, 0] and example["ignored"].tolist() == [False, True]
    assert example["areas"].tolist() == [123, 4567] and example["areas"].dtype == np.float32


@pytest.mark.parametrize(
    "name, train, test", [("voc/2007", "train+validation", "test"), ("voc/2012", "train", "validation")]
)
def test_splits_of_voc(name, train, test, tmp_path):
    with prepared({train: 60, test: 61}, bbox=[[0.1, 0.1, 0.9, 0.9]], label=[0], is_difficult=[False]):
        dataset = open_tfds(name, str(tmp_path), download=False)
        assert sizes(dataset.train) == [(60, 50)] and sizes(dataset.test) == [(61, 50)]


class Squares(tfds.testing.DummyDataset):
    """A data set with the single split `train`; image i is 10 + i wide and has i squares."""

    def _info(self):
        objects = {"bbox": tfds.features.BBoxFeature(), "label": tfds.features.ClassLabel(names=["square"])}
        features = {"image": tfds.features.Image(), "objects": tfds.features.Sequence(objects)}
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def _generate_examples(self):
        for i in range(20):
            box = tfds.features.BBox(0.0, 0.0, 0.5, 5 / (10 + i))
            image = np.zeros((10, 10 + i, 3), "uint8")
            yield i, {"image": image, "objects": [{"bbox": box, "label": "square"}] * i}


@pytest.fixture
def squares(tmp_path):
    return open_tfds("squares", str(tmp_path), download=True)


def check_squares(examples):
    for example in examples:
        count = example["size"][0] - 10
        np.testing.assert_allclose(example["boxes"], np.float32([[0, 0, 5, 5]] * count).reshape(-1, 4), rtol=1e-6)
        assert example["ignored"].tolist() == [False] * count and example["classes"].tolist() == [0] * count


def test_a_data_set_of_ones_own_with_one_split(squares):
    assert squares.labels == ("square",) and (squares.train.size, squares.test.size) == (18, 2)
    train, test = load(squares.train), load(squares.test)
    check_squares(train + test)
    assert sorted(example["size"][0] for example in train + test) == list(range(10, 30))


def test_shuffled_images_keep_their_objects(squares):
    orders = [load(squares.train, tf.constant([seed, 0], tf.int64)) for seed in (0, 1, 1)]
    for examples in orders:
        check_squares(examples)
    widths = [[example["size"][0] for example in examples] for examples in orders]
    assert widths[0] != widths[1] == widths[2] and sorted(widths[0]) == sorted(widths[1])


def test_two_machines_train_on_halves(squares):
    def examples(machine):
        part = squares.train.part(tf.distribute.InputContext(2, machine, 2))
        return load(part, tf.constant([0, 0], tf.int64))

    halves = [examples(0), examples(1)]
    check_squares(halves[0] + halves[1])
    assert len({int(example["size"][0]) for half in halves for example in half}) == 18


@pytest.mark.parametrize("held_out", [0, 2])
def test_batches_of_one_of_two_machines(held_out, squares):
    def transform(example, seed):
        return {"count": tf.size(example["classes"]), "width": example["image"].shape()[1]}

    split = hold_out(squares, held_out).train if held_out else squares.train
    context = tf.distribute.InputContext(2, 1, 2)
    batches = training_batches(split, transform, batch_size=4, first_step=1, seed=0, context=context)
    for batch in batches.take(10):
        np.testing.assert_array_equal(batch["count"], batch["width"] - 10)


def test_data_sets_that_cannot_be_used(tmp_path):
    with pytest.raises(ArgumentError, match="tfds:cifar10 is not a data set of an image with objects"):
        open_tfds("cifar10", str(tmp_path), download=False)
    with pytest.raises(ArgumentError, match="has no prepared split 'train[+]validation' .* pass --download"):
        open_tfds("voc/2007", str(tmp_path), download=False)
