"""Data sets in the format of MNIST."""

import gzip
import struct

import numpy as np
import pytest
from labelled_images import examples

from keras_resnets.errors import ArgumentError
from trainers.data.registry import open_dataset


def digits_like(count, side=6):
    images = np.random.default_rng(0).integers(0, 256, (count, side, side), dtype="uint8")
    return images, np.arange(count) % 10


def write_idx(path, array, code=8):
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wb") as file:
        file.write(struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape) + array.tobytes())


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


def write_as(folder, name, images, labels, codes=(8, 8)):
    """Writes the training files of arrays, and test files of their last four rows; `name` makes a file's path."""
    for split, rows in {"train": slice(None), "test": slice(-4, None)}.items():
        for kind, array, code in (("images", images, codes[0]), ("labels", labels, codes[1])):
            path = folder / name(split, kind)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_idx(path, array[rows], code)


def in_folders_of_their_names(split, kind):
    name = f"{split.replace('test', 't10k')}-{kind}-idx{'31'[kind == 'labels']}-ubyte"
    return f"{name}/{name}"


@pytest.mark.parametrize(
    "name",
    [
        lambda split, kind: f"{split.replace('test', 't10k')}-{kind}.idx{'31'[kind == 'labels']}-ubyte",
        in_folders_of_their_names,
        lambda split, kind: f"digits-{split}-{kind}-idx{'31'[kind == 'labels']}-ubyte.gz",
    ],
    ids=["dots", "folders", "prefix"],
)
def test_names_of_other_publishers(name, tmp_path):
    images, labels = digits_like(12)
    write_as(tmp_path, name, images, labels.astype("uint8"))
    dataset = open_dataset(f"idx:{tmp_path}")
    assert [int(example["label"]) for example in examples(dataset.test)] == [8, 9, 0, 1]
    np.testing.assert_array_equal(examples(dataset.train)[0]["image"][..., 0], images[0])


def test_emnist_is_upright_and_has_its_characters(tmp_path, capsys):
    images, labels = digits_like(12)
    for name in ("letters", "digits"):
        labels = 1 + np.arange(12) % 3 if name == "letters" else np.arange(12) % 3

        def names(split, kind, name=name):
            return f"emnist-{name}-{split}-{kind}-idx{'31'[kind == 'labels']}-ubyte.gz"

        write_as(tmp_path, names, images, labels.astype("uint8"))
    (tmp_path / "emnist-letters-mapping.txt").write_text("1 65 97\n2 66 98\n3 67 99\n")
    with pytest.raises(ArgumentError, match="several data sets: pass --dataset=idx:.*/emnist-digits or idx:.*-letters"):
        open_dataset(f"idx:{tmp_path}")
    dataset = open_dataset(f"idx:{tmp_path / 'emnist-letters'}")
    assert dataset.labels == ("A", "B", "C")
    first, second, *_ = examples(dataset.train)
    np.testing.assert_array_equal(first["image"][..., 0], images[0].T)
    assert (int(first["label"]), int(second["label"])) == (0, 1)
    message = capsys.readouterr().err
    assert "the images are turned upright" in message and "the labels count from 1\n" in message
    assert open_dataset(f"idx:{tmp_path / 'emnist-digits'}").labels == ("0", "1", "2")


def test_qmnists_labels_are_the_first_of_eight_integers(tmp_path):
    images, labels = digits_like(12)
    rows = np.stack([labels, *[np.arange(12) + 100] * 7], axis=1).astype(">i4")

    def name(split, kind):
        return f"qmnist-{split}-{'images-idx3-ubyte' if kind == 'images' else 'labels-idx2-int'}.gz"

    write_as(tmp_path, name, images, rows, codes=(8, 12))
    dataset = open_dataset(f"idx:{tmp_path}")
    assert len(dataset.labels) == 10
    assert [int(example["label"]) for example in examples(dataset.test)] == [8, 9, 0, 1]


def test_damaged_idx_files(tmp_path):
    def damage(name, change, message, suffix=""):
        folder = tmp_path / message[:12]
        folder.mkdir()
        write_mnist(folder, suffix)
        change(folder / f"{name}{suffix}")
        with pytest.raises(ArgumentError, match=message):
            open_dataset(f"idx:{folder}")

    images, labels = "train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
    damage(
        images,
        lambda path: path.rename(path.with_name("images.bin")),
        "lacks train images; expected are .* There are: images.bin, t10k-images-idx3-ubyte, ",
    )
    damage(images, lambda path: path.write_bytes(path.read_bytes()[:-5]), r"should hold \(8, 6, 6\) elements of 1 byte")
    damage(images, lambda path: path.write_bytes(b"\x00" * 100), "is not an IDX file: fetch it again")
    damage(images, lambda path: write_idx(path, np.zeros((8, 6), "uint8")), "has 2 dimension.s. of uint8, not 3")
    damage(images, lambda path: write_idx(path, np.zeros((8, 6, 6), ">i4"), 12), "has 3 dimension.s. of int32, not 3")
    damage(labels, lambda path: write_idx(path, np.zeros(4, ">f4"), 13), "has 1 dimension.s. of float32, not 1 of int")
    damage(labels, lambda path: write_idx(path, np.zeros(3, "uint8")), "test has 4 images and 3 labels")
    damage(images, lambda path: path.write_bytes(path.read_bytes()[:-9]), "is not a complete gzip file", ".gz")
    with pytest.raises(ArgumentError, match="nowhere: there is no such folder"):
        open_dataset("idx:nowhere")
