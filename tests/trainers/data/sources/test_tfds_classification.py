"""Data sets of TensorFlow Datasets with labels."""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from labelled_images import as_is, context, examples, labels_and_seeds

from keras_resnets.errors import ArgumentError
from trainers.data.class_balance import balanced, class_weights
from trainers.data.pipeline import training_batches
from trainers.data.registry import open_dataset
from trainers.data.split import hold_out, sample


class NumberedImages(tfds.testing.DummyDataset):
    """A data set with the single split `train`; the pixels of image i are i."""

    count = 0

    def _info(self):
        features = {"image": tfds.features.Image(shape=(8, 8, 3)), "label": tfds.features.ClassLabel(num_classes=2)}
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features), supervised_keys=("image", "label")
        )

    def _generate_examples(self):
        for i in range(self.count):
            yield i, {"image": np.full((8, 8, 3), i, "uint8"), "label": i % 2}


@pytest.mark.parametrize(
    "name, side, classes", [("cifar10", 32, 10), ("cifar100", 32, 100), ("imagenet2012", None, 1000)]
)
def test_tensorflow_datasets(name, side, classes, tmp_path):
    with tfds.testing.mock_data(num_examples=5):
        dataset = open_dataset(f"tfds:{name}", data_dir=str(tmp_path))
        assert (dataset.train.size, dataset.test.size, dataset.side) == (5, 5, side)
        assert len(dataset.labels) == classes
        in_order = examples(dataset.test)
        shuffled = list(dataset.train.keys(tf.constant([1, 2], tf.int64)))
    assert all(example["image"].dtype == tf.uint8 and example["image"].shape[-1] == 3 for example in in_order)
    assert sorted(int(key["index"]) for key in shuffled) == [0, 1, 2, 3, 4]


def test_training_on_tensorflow_datasets_with_any_seed(tmp_path):
    def labels(seed, first_step=0):
        keras.utils.set_random_seed(seed)
        batches = training_batches(dataset.train, as_is, batch_size=4, first_step=first_step, seed=seed)
        return labels_and_seeds(batches.take(5 - first_step))[0]

    with tfds.testing.mock_data(num_examples=10):
        dataset = open_dataset("tfds:cifar100", data_dir=str(tmp_path))
        in_order = [int(example["label"]) for example in examples(dataset.train)]
        stream = sum(labels(0), [])
        assert sorted(stream[:10]) == sorted(stream[10:]) == sorted(in_order)
        assert stream[:10] != stream[10:] and labels(0) != labels(1)
        assert labels(0, first_step=3) == labels(0)[3:]
        with pytest.raises(ArgumentError, match="--sampling=balanced needs images that can be read in any order"):
            balanced(hold_out(dataset, 2))
        weights = [*class_weights("balanced", dataset).values()]
        assert np.mean([weights[label] for label in in_order]) == pytest.approx(1)


def test_tensorflow_datasets_without_a_test_split(tmp_path):
    class Flowers(NumberedImages):
        count = 20

    dataset = open_dataset("tfds:flowers", str(tmp_path), download=True)
    pixels = [
        {int(example["image"][0, 0, 0]) for example in examples(split)} for split in (dataset.train, dataset.test)
    ]
    assert len(pixels[0]) == dataset.train.size == 18 and pixels[0] | pixels[1] == set(range(20))


def test_tensorflow_datasets_that_cannot_be_used(tmp_path):
    with pytest.raises(ArgumentError, match="TensorFlow Datasets has no 'cifar11'"):
        open_dataset("tfds:cifar11", str(tmp_path))
    with pytest.raises(ArgumentError, match="tfds:cifar10 has no prepared split 'train' .* pass --download"):
        open_dataset("tfds:cifar10", str(tmp_path))
    with tfds.testing.mock_data(), pytest.raises(ArgumentError, match="not a data set of images with one label"):
        open_dataset("tfds:coco/2017", str(tmp_path))


def test_without_a_network_a_download_says_soon_what_to_do(tmp_path):
    """It is tried again for 6 s."""

    class Planets(NumberedImages):
        def _split_generators(self, dl_manager):
            return dl_manager.download("http://127.0.0.1:1/planets.zip")

    start = time.monotonic()
    folder = tmp_path / "planets" / "1.0.0"
    with pytest.raises(ArgumentError, match=f"tfds:planets cannot be .*/planets.zip .*copy its folder to {folder}"):
        open_dataset("tfds:planets", str(tmp_path), download=True)
    assert time.monotonic() - start < 20


def test_a_sample_is_the_beginning_of_the_stream(tmp_path):
    """The rest is not read; the order of the stream is random."""

    class Stones(NumberedImages):
        count = 20

    train = open_dataset("tfds:stones", str(tmp_path), download=True).train
    images = [int(example["image"][0, 0, 0]) for example in examples(train)]
    six = sample(train, 6)
    assert not train.keys(None).options().autotune.enabled
    seeds = [tf.constant([1, i], tf.int64) for i in range(3)]
    orders = [[int(key["index"]) for key in six.keys(seed)] for seed in seeds]
    assert images != sorted(images) and [int(example["image"][0, 0, 0]) for example in examples(six)] == images[:6]
    assert six.size == 6 and all(sorted(order) == list(range(6)) for order in orders) and orders[0] != orders[1]
    assert sample(train, 21) is train


def test_machines_read_their_own_files_of_tensorflow_datasets(tmp_path):
    with tfds.testing.mock_data(num_examples=10):
        dataset = open_dataset("tfds:cifar10", data_dir=str(tmp_path))  # one file: each takes every second example
        parts = [dataset.train.part(context(2, i)) for i in range(2)]
        everything = [bytes(e["image"].numpy()) for e in examples(dataset.train)]
        shares = [{bytes(e["image"].numpy()) for e in examples(part)} for part in parts]
    assert [part.size for part in parts] == [5, 5] and not shares[0] & shares[1]
    assert shares[0] | shares[1] == set(everything)


class Numbers(NumberedImages):
    """80 images, 72 of them for training: in four files of 20, 20, 20 and 12."""

    count = 80


@pytest.mark.parametrize("files", [2, 3, 4, 72])
def test_two_machines_share_the_examples_of_any_number_of_files(files, tmp_path):
    builder = tfds.builder("numbers", data_dir=str(tmp_path))
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(num_shards=files))
    train = open_dataset("tfds:numbers", str(tmp_path)).train
    parts = [train.part(context(2, i)) for i in range(2)]
    shares = [[int(e["image"][0, 0, 0]) for e in examples(part)] for part in parts]
    assert len(shares[0]) == len(shares[1]) == train.size // 2 and len({*shares[0], *shares[1]}) == train.size
    # Nor do they have the same random numbers.
    seeds = [
        labels_and_seeds(
            training_batches(train, as_is, batch_size=8, first_step=0, seed=3, context=context(2, i)).take(9)
        )[1]
        for i in range(2)
    ]
    assert not {tuple(seed) for batch in seeds[0] for seed in batch} & {tuple(s) for batch in seeds[1] for s in batch}
