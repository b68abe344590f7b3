"""Data sets and input pipelines."""

import collections
import gzip
import struct

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image
from sklearn import datasets

from keras_resnets import ArgumentError
from trainers.data.classification_dataset import grayscale_split
from trainers.data.pipeline import evaluation_batches, training_batches
from trainers.data.registry import open_dataset
from trainers.data.split import hold_out, sample


def examples(split, seed=None):
    loaded = [split.load(key) for key in split.keys(seed)]
    return [{"image": example["image"].pixels(), "label": example["label"]} for example in loaded]


def digits_like(count, side=6):
    images = np.random.default_rng(0).integers(0, 256, (count, side, side), dtype="uint8")
    return images, np.arange(count) % 10


# digits


def test_digits_are_scikit_learns_in_a_fixed_stratified_split():
    dataset = open_dataset("digits")
    assert (dataset.train.size, dataset.test.size, dataset.side) == (1437, 360, 32)
    assert dataset.labels == tuple("0123456789")
    test = examples(dataset.test)
    counts = collections.Counter(int(example["label"]) for example in test)
    assert set(counts.values()) <= {35, 36, 37}
    everything = {bytes(image.astype("uint8")) for image in datasets.load_digits().images}
    for example in test[:20]:
        small = example["image"].numpy()[::4, ::4, 0]
        assert bytes(np.round(small / 255 * 16).astype("uint8")) in everything
    image = test[0]["image"].numpy()
    np.testing.assert_array_equal(image, image[::4, ::4].repeat(4, axis=0).repeat(4, axis=1))
    assert image.max() == 255 and image.dtype == np.uint8 and image.shape == (32, 32, 3)
    again = [int(example["label"]) for example in examples(open_dataset("digits").test)]
    assert again == [int(example["label"]) for example in test]


# idx


def write_idx(path, array):
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wb") as file:
        file.write(struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes())


def write_mnist(folder, suffix=""):
    images, labels = digits_like(12)
    for split, rows in {"train": slice(0, 8), "t10k": slice(8, 12)}.items():
        write_idx(folder / f"{split}-images-idx3-ubyte{suffix}", images[rows])
        write_idx(folder / f"{split}-labels-idx1-ubyte{suffix}", labels[rows].astype("uint8"))
    return images, labels


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files(suffix, tmp_path):
    images, labels = write_mnist(tmp_path, suffix)
    dataset = open_dataset(f"idx:{tmp_path}")
    assert (dataset.train.size, dataset.test.size, dataset.side, len(dataset.labels)) == (8, 4, 6, 10)
    np.testing.assert_allclose(dataset.mean, images[:8].mean())
    np.testing.assert_allclose(dataset.std, images[:8].std())
    for example, image, label in zip(examples(dataset.test), images[8:], labels[8:], strict=True):
        np.testing.assert_array_equal(example["image"], np.repeat(image[..., None], 3, axis=-1))
        assert int(example["label"]) == label


def test_damaged_idx_files(tmp_path):
    def damage(name, change, message, suffix=""):
        folder = tmp_path / message[:12]
        folder.mkdir()
        write_mnist(folder, suffix)
        change(folder / f"{name}{suffix}")
        with pytest.raises(ArgumentError, match=message):
            open_dataset(f"idx:{folder}")

    images, labels = "train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
    damage(images, lambda path: path.unlink(), "the folder has no train-images-idx3-ubyte or train-images")
    damage(images, lambda path: path.write_bytes(path.read_bytes()[:-5]), r"should hold \(8, 6, 6\) bytes")
    damage(images, lambda path: path.write_bytes(b"\x00" * 100), "is not an IDX file of unsigned bytes in 3")
    damage(labels, lambda path: write_idx(path, np.zeros(3, "uint8")), "t10k has 4 images and 3 labels")
    damage(images, lambda path: path.write_bytes(path.read_bytes()[:-9]), "is not a complete gzip file", ".gz")
    with pytest.raises(ArgumentError, match="nowhere: there is no such folder"):
        open_dataset("idx:nowhere")


# folder


def photograph(height, width):
    return Image.fromarray(datasets.load_sample_images().images[0][:height, :width])


def write_folder(root, test="val"):
    for split, sizes in {"train": [(40, 60), (70, 50)], test: [(33, 33)]}.items():
        for label in ("cat", "dog"):
            (root / split / label).mkdir(parents=True)
            for i, size in enumerate(sizes):
                photograph(*size).save(root / split / label / f"{i}.jpg", quality=95)


@pytest.mark.parametrize("test", ["val", "test"])
def test_folder_of_images(test, tmp_path, capsys):
    write_folder(tmp_path, test)
    dataset = open_dataset(f"folder:{tmp_path}")
    assert dataset.labels == ("cat", "dog") and dataset.side is None
    assert [int(example["label"]) for example in examples(dataset.train)] == [0, 0, 1, 1]
    assert [example["image"].shape for example in examples(dataset.train)][:2] == [(40, 60, 3), (70, 50, 3)]
    pixels = np.asarray(photograph(33, 33), int)
    assert np.abs(examples(dataset.test)[0]["image"].numpy() - pixels).mean() < 3
    assert "skipped" not in capsys.readouterr().err


def test_images_of_any_kind_are_decoded_and_damaged_ones_named(tmp_path, capsys):
    write_folder(tmp_path)
    cat, dog = tmp_path / "train" / "cat", tmp_path / "train" / "dog"
    photograph(40, 40).convert("CMYK").save(cat / "cmyk.jpg")
    photograph(40, 40).convert("L").save(cat / "gray.png")
    photograph(40, 40).save(cat / "png_inside.jpg", "PNG")
    (cat / "notes.txt").write_text("no image")
    whole = (dog / "0.jpg").read_bytes()
    (dog / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (dog / "empty.png").write_bytes(b"")
    dataset = open_dataset(f"folder:{tmp_path}")
    assert [int(example["label"]) for example in examples(dataset.train)] == [0] * 5 + [1] * 2
    assert all(example["image"].shape[-1] == 3 for example in examples(dataset.train))
    message = capsys.readouterr().err
    assert f"skipped {dog / 'truncated.jpg'}: it cannot be decoded" in message
    assert f"skipped {dog / 'empty.png'}: it cannot be decoded" in message
    assert f"skipped 2 of 9 images in {tmp_path / 'train'}" in message


def test_hidden_folders_are_no_classes(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "train" / ".ipynb_checkpoints").mkdir()
    (tmp_path / "val" / ".trash").mkdir()
    (tmp_path / "train" / "cat" / "folder.jpg").mkdir()
    dataset = open_dataset(f"folder:{tmp_path}")
    assert dataset.labels == ("cat", "dog") and dataset.train.size == 4
    (tmp_path / "train" / "owl").mkdir()
    with pytest.raises(ArgumentError, match="/train/owl has no image: remove it, or fill it"):
        open_dataset(f"folder:{tmp_path}")


def test_folders_that_are_no_data_sets(tmp_path):
    with pytest.raises(ArgumentError, match=f"there is no folder {tmp_path}/train"):
        open_dataset(f"folder:{tmp_path}")
    (tmp_path / "train").mkdir()
    with pytest.raises(ArgumentError, match=f"there is no folder {tmp_path}/val or {tmp_path}/test"):
        open_dataset(f"folder:{tmp_path}")
    (tmp_path / "val" / "cow").mkdir(parents=True)
    with pytest.raises(ArgumentError, match="has the class 'cow', which .*/train lacks"):
        open_dataset(f"folder:{tmp_path}")
    (tmp_path / "train" / "cow").mkdir()
    with pytest.raises(ArgumentError, match="/train has no images in folders by class"):
        open_dataset(f"folder:{tmp_path}")


# tfds


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


def test_tensorflow_datasets_without_a_test_split(tmp_path):
    class Flowers(NumberedImages):
        count = 20

    dataset = open_dataset("tfds:flowers", str(tmp_path), download=True)
    pixels = [
        {int(example["image"][0, 0, 0]) for example in examples(split)} for split in (dataset.train, dataset.test)
    ]
    assert len(pixels[0]) == dataset.train.size == 18 and pixels[0] | pixels[1] == set(range(20))


def test_pipelines_are_not_tuned_by_tensorflow():
    """Its tuner can keep an iterator that has ended for as long again."""
    split = open_dataset("digits").test
    assert not split.keys(None).options().autotune.enabled
    training = training_batches(split, as_is, batch_size=4, first_step=0, seed=0)
    evaluation = evaluation_batches(split, lambda example: {"label": example["label"]}, batch_size=4)
    assert not training.options().autotune.enabled and not evaluation.batch(2).options().autotune.enabled


def test_a_sample(tmp_path):
    """Of a stream it is the beginning, so that not all has to be read: its order is random."""

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
    digits = open_dataset("digits").train
    indices = [int(key["index"]) for key in sample(digits, 6).keys(None)]
    assert len(indices) == 6 and indices == sorted(indices) and indices != list(range(6))
    assert sample(digits, digits.size) is digits and sample(train, 21) is train


def test_tensorflow_datasets_that_cannot_be_used(tmp_path):
    with pytest.raises(ArgumentError, match="TensorFlow Datasets has no 'cifar11'"):
        open_dataset("tfds:cifar11", str(tmp_path))
    with pytest.raises(ArgumentError, match="tfds:cifar10 has no prepared split 'train' .* pass --download"):
        open_dataset("tfds:cifar10", str(tmp_path))
    with tfds.testing.mock_data(), pytest.raises(ArgumentError, match="not a data set of images with one label"):
        open_dataset("tfds:coco/2017", str(tmp_path))


@pytest.mark.parametrize("name", ["digit", "folder", "idx:", "mnist"])
def test_unknown_data_sets(name):
    known = "digits, one_digit_scenes, idx:PATH, folder:PATH or tfds:NAME"
    with pytest.raises(ArgumentError, match=f"--dataset={name} is unknown.*use {known}"):
        open_dataset(name)


# pipeline


def as_is(example, seed=None):
    return {"label": example["label"], "seed": tf.zeros(2, tf.int64) if seed is None else seed}


def labels_and_seeds(batches):
    batches = list(batches)
    return [batch["label"].numpy().tolist() for batch in batches], [batch["seed"].numpy().tolist() for batch in batches]


def numbered(count):
    return grayscale_split(np.zeros((count, 2, 2), "uint8"), np.arange(count))


def test_every_epoch_holds_each_example_once_in_a_new_order():
    batches, seeds = labels_and_seeds(training_batches(numbered(10), as_is, batch_size=4, first_step=0, seed=3).take(5))
    stream = sum(batches, [])
    assert sorted(stream[:10]) == sorted(stream[10:]) == list(range(10)) and stream[:10] != stream[10:]
    assert len({tuple(seed) for batch in seeds for seed in batch}) == 20


def test_a_resumed_stream_goes_on_where_it_stopped():
    def batches(first_step, seed=3):
        return labels_and_seeds(
            training_batches(numbered(10), as_is, batch_size=4, first_step=first_step, seed=seed).take(8 - first_step)
        )

    for first_step in (1, 2, 3, 5, 8):
        assert batches(first_step) == tuple(part[first_step:] for part in batches(0))
    assert batches(0) != batches(0, seed=4)


def test_batches_larger_than_the_data_set():
    batches, _ = labels_and_seeds(training_batches(numbered(3), as_is, batch_size=7, first_step=0, seed=0).take(2))
    assert [len(batch) for batch in batches] == [7, 7] and set(batches[0]) == {0, 1, 2}


def context(machines, machine, replicas_each=1):
    return tf.distribute.InputContext(machines, machine, machines * replicas_each)


@pytest.mark.parametrize("machines, replicas_each", [(1, 2), (2, 1), (2, 3)])
def test_replicas_share_the_batches_of_one_device(machines, replicas_each):
    def batches(context, count):
        stream = training_batches(numbered(30), as_is, batch_size=12, first_step=1, seed=3, context=context)
        return labels_and_seeds(stream.take(count))[0]

    steps = batches(None, 4)
    shares = [batches(context(machines, i, replicas_each), 4 * replicas_each) for i in range(machines)]
    for step, batch in enumerate(steps):
        parts = [share[step * replicas_each : (step + 1) * replicas_each] for share in shares]
        assert sum((labels for part in parts for labels in part), []) == batch


@pytest.mark.parametrize("size", [1, 7, 10, 12])
@pytest.mark.parametrize("machines, replicas_each", [(1, 1), (1, 3), (2, 1), (3, 2)])
def test_evaluation_sees_every_example_once_in_full_batches(size, machines, replicas_each):
    lengths, seen = set(), []
    for machine in range(machines):
        batches = list(
            evaluation_batches(numbered(size), as_is, batch_size=2, context=context(machines, machine, replicas_each))
        )
        lengths.add(len(batches))
        for batch in batches:
            assert batch["label"].shape == (2,)
            seen += batch["label"].numpy()[batch["weight"] > 0].tolist()
    assert sorted(seen) == list(range(size))
    # All replicas have the same number of batches.
    assert len(lengths) == 1 and lengths.pop() % replicas_each == 0


def test_held_out_examples_are_measured_and_never_trained_on():
    dataset = hold_out(open_dataset("digits"), 100)
    assert (dataset.train.size, dataset.test.size) == (1337, 100)
    indices = [{int(key["index"]) for key in split.keys(None)} for split in (dataset.train, dataset.test)]
    assert [len(one) for one in indices] == [1337, 100] and indices[0] | indices[1] == set(range(1437))
    batches = training_batches(dataset.train, as_is, batch_size=1337, first_step=0, seed=0)
    labels = np.bincount(next(iter(batches))["label"], minlength=10)
    assert labels.tolist() == np.bincount([int(e["label"]) for e in examples(dataset.train)], minlength=10).tolist()
    # Not the last ones: of a folder, those would all be of the last classes.
    assert min(indices[1]) < 200
    with pytest.raises(ArgumentError, match="--holdout=1437 must be positive and less than the 1437"):
        hold_out(open_dataset("digits"), 1437)


def test_machines_read_their_own_files_of_tensorflow_datasets(tmp_path):
    with tfds.testing.mock_data(num_examples=10):
        dataset = open_dataset("tfds:cifar10", data_dir=str(tmp_path))  # one file: each takes every second example
        parts = [dataset.train.part(context(2, i)) for i in range(2)]
        everything = [bytes(e["image"].numpy()) for e in examples(dataset.train)]
        shares = [{bytes(e["image"].numpy()) for e in examples(part)} for part in parts]
    assert [part.size for part in parts] == [5, 5] and not shares[0] & shares[1]
    assert shares[0] | shares[1] == set(everything)


class Numbers(NumberedImages):
    """Of which 72 are trained on: in four files, 20, 20, 20 and 12."""

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
