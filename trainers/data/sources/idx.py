"""`idx:PATH`: a folder with the four files of MNIST, Fashion-MNIST and similar data sets.

The files are `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
`t10k-labels-idx1-ubyte`, with or without `.gz`.
"""

import gzip
import os
import zlib

import numpy as np

from keras_resnets.errors import ArgumentError
from trainers.data.classification_dataset import ImageDataset, grayscale_dataset

UNSIGNED_BYTE = 8  # the element type of these files


def open_idx(path: str) -> ImageDataset:
    """Opens a folder of IDX files; the classes are "0", "1", ...

    Raises:
        ArgumentError: if a file is missing, truncated or of another format.
    """
    if not os.path.isdir(path):
        raise ArgumentError(f"--dataset=idx:{path}: there is no such folder.")
    train_images, train_labels = _read_split(path, "train")
    test_images, test_labels = _read_split(path, "t10k")
    if train_images.shape[1:] != test_images.shape[1:]:
        raise ArgumentError(
            f"idx:{path}: training images are {train_images.shape[1:]}, test images {test_images.shape[1:]} pixels."
        )
    classes = int(max(train_labels.max(), test_labels.max())) + 1
    return grayscale_dataset(train_images, train_labels, test_images, test_labels, labels=map(str, range(classes)))


def _read_split(path, split):
    images = read_idx(_find(path, f"{split}-images-idx3-ubyte"), dimensions=3)
    labels = read_idx(_find(path, f"{split}-labels-idx1-ubyte"), dimensions=1)
    if len(images) != len(labels) or len(images) == 0:
        raise ArgumentError(f"idx:{path}: the split {split} has {len(images)} images and {len(labels)} labels.")
    return images, labels


def _find(folder, name):
    for candidate in (name, f"{name}.gz"):
        if os.path.isfile(os.path.join(folder, candidate)):
            return os.path.join(folder, candidate)
    raise ArgumentError(f"--dataset=idx:{folder}: the folder has no {name} or {name}.gz.")


def read_idx(path: str, dimensions: int) -> np.ndarray:
    """Reads an IDX file of unsigned bytes.

    The format is: two zero bytes, the element type, the number of dimensions, each dimension as a big-endian 32-bit
    integer, and the elements.

    Args:
        path: of the file; gzipped if it ends in ".gz".
        dimensions: that the file must have.

    Returns:
        A uint8 array with this number of dimensions.

    Raises:
        ArgumentError: if the file is damaged or of another format.
    """
    try:
        with gzip.open(path, "rb") if path.endswith(".gz") else open(path, "rb") as file:
            content = file.read()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ArgumentError(f"{path} is not a complete gzip file ({error}): fetch it again.") from error
    header = 4 + 4 * dimensions
    if len(content) < header or content[:4] != bytes([0, 0, UNSIGNED_BYTE, dimensions]):
        raise ArgumentError(f"{path} is not an IDX file of unsigned bytes in {dimensions} dimension(s).")
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", dimensions, offset=4))
    if len(content) != header + np.prod(shape, dtype=np.int64):
        raise ArgumentError(f"{path} should hold {shape} bytes after its header, and is {len(content)} bytes long.")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
