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
