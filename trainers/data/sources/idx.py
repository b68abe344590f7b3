"""`idx:PATH`: a folder with the four files of MNIST, or of a data set that was published in its format.

The files are `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
`t10k-labels-idx1-ubyte` (MNIST, Fashion-MNIST, Kuzushiji-MNIST), with or without `.gz`. Dots may stand for hyphens, as
in `images.idx3-ubyte`, and each file may be in a folder of its name. The names may begin with that of the data set, and
have `test` for `t10k`: `emnist-letters-train-images-idx3-ubyte`, `qmnist-test-labels-idx2-int`. In a folder with
several data sets, PATH is the folder with the data set's name: `FOLDER/emnist-letters`.
"""

import gzip
import pathlib
import re
import sys
import zlib

import numpy as np

from keras_resnets.errors import ArgumentError
from trainers.data.classification_dataset import ImageDataset, grayscale_dataset
from trainers.data.sources.text_files import lines_of

NAME = re.compile(
    r"(?P<name>.*?)[-_.]?(?P<split>train|t10k|test)[-_.](?P<kind>images|labels)[-_.]idx\d[-_.](ubyte|int)(\.gz)?"
)
LAYOUT = (
    "expected are train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte"
)
# The types of elements, by their codes in a file.
TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
TRANSPOSED = "emnist"  # EMNIST (arXiv 1702.05373) stores rows as columns; torchvision and TensorFlow Datasets keep that
SHOWN = 8  # names of files in an error


def open_idx(path: str) -> ImageDataset:
    """Opens a folder of IDX files.

    The classes are "0", "1", ... If no label is 0, they begin with the first one. EMNIST's are its characters, if its
    file of them is there, and its images are turned upright.

    Raises:
        ArgumentError: if a file is missing, truncated or of another format.
    """
    name, files, folder = _data_set(path)
    images, labels = {}, {}
    for split in ("train", "test"):
        images[split], labels[split] = _read_split(path, split, files)
    shapes = [images[split].shape[1:] for split in images]
    if shapes[0] != shapes[1]:
        raise ArgumentError(f"idx:{path}: training images are {shapes[0]}, test images {shapes[1]} pixels.")
    everything = np.concatenate([*labels.values()])
    first, last = int(everything.min()), int(everything.max())
    if first < 0:
        raise ArgumentError(f"idx:{path}: the label {first} is negative: labels count from 0 or 1.")
    first = int(first == 1)
    if name.startswith(TRANSPOSED):
        print(f"idx:{path}: the images are turned upright: EMNIST stores them transposed", file=sys.stderr)
        images = {split: pixels.transpose(0, 2, 1) for split, pixels in images.items()}
    if first:
        print(f"idx:{path}: the labels count from {first}", file=sys.stderr)
    characters = _characters(folder / f"{name}-mapping.txt")
    return grayscale_dataset(
        images["train"],
        labels["train"] - first,
        images["test"],
        labels["test"] - first,
        labels=[characters.get(label, str(label)) for label in range(first, last + 1)],
    )


def _data_set(path):
    """Returns the name of a data set, "" for MNIST's own, its files by split and kind, and their folder."""
    folder, wanted = pathlib.Path(path), None
    if not folder.is_dir() and folder.parent.is_dir() and any(folder.parent.glob(f"{folder.name}-*")):
        folder, wanted = folder.parent, folder.name
    if not folder.is_dir():
        raise ArgumentError(f"--dataset=idx:{path}: there is no such folder.")
    # Of a file and its compressed form, the file comes last, and is taken.
    nested = [file for file in folder.glob("*/*") if file.parent.name == file.name]
    candidates = sorted(
        filter(pathlib.Path.is_file, [*folder.iterdir(), *nested]), key=lambda file: file.suffix != ".gz"
    )
    found = {}
    for file in candidates:
        if match := NAME.fullmatch(file.name):
            split = "train" if match["split"] == "train" else "test"
            found.setdefault(match["name"], {})[split, match["kind"]] = file
    names = sorted(found) if wanted is None else [name for name in found if name == wanted]
    if len(names) > 1:
        choices = " or ".join(f"idx:{folder / name}" for name in names)
        raise ArgumentError(f"--dataset=idx:{path} has several data sets: pass --dataset={choices}.")
    files = found[names[0]] if names else {}
    if len(files) < 4:
        there = ", ".join(str(file.relative_to(folder)) for file in sorted(candidates)[:SHOWN]) or "no file"
        raise ArgumentError(
            f"--dataset=idx:{path} lacks {_missing(files)}; {LAYOUT}, with or without .gz. There are: {there}."
        )
    return names[0], files, folder


def _missing(files):
    wanted = [(split, kind) for split in ("train", "test") for kind in ("images", "labels")]
    return ", ".join(f"{split} {kind}" for split, kind in wanted if (split, kind) not in files)


def _read_split(path, split, files):
    """Returns images (N, H, W) uint8 and labels (N,) integers."""
    images, labels = (read_idx(files[split, kind]) for kind in ("images", "labels"))
    if images.ndim != 3 or images.dtype != np.uint8:
        found = f"{images.ndim} dimension(s) of {images.dtype}"
        raise ArgumentError(f"{files[split, 'images']} has {found}, not 3 of uint8: give grayscale images.")
    if labels.ndim == 2:
        labels = labels[:, 0]  # QMNIST: the others tell the writer
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        found = f"{labels.ndim} dimension(s) of {labels.dtype}"
        raise ArgumentError(f"{files[split, 'labels']} has {found}, not 1 of integers: give a label for each image.")
    if len(images) != len(labels) or len(images) == 0:
        raise ArgumentError(f"idx:{path}: the split {split} has {len(images)} images and {len(labels)} labels.")
    return images, labels.astype(np.int32)


def _characters(file):
    """Returns the character of each label, of EMNIST's file with rows of a label and its ASCII codes."""
    if not file.is_file():
        return {}
    rows = [[int(number) for number in line.split()] for line in lines_of(file)]
    return {label: chr(code) for label, code, *_ in rows}


def read_idx(path: pathlib.Path) -> np.ndarray:
    """Reads an IDX file.

    The format is: two zero bytes, the element type, the number of dimensions, each dimension as a big-endian 32-bit
    integer, and the elements.

    Args:
        path: of the file; gzipped if it ends in ".gz".

    Returns:
        An array of the file's dimensions and type.

    Raises:
        ArgumentError: if the file is damaged or of another format.
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb") as file:
            content = file.read()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ArgumentError(f"{path} is not a complete gzip file ({error}): fetch it again.") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in TYPES or len(content) < 4 + 4 * content[3]:
        raise ArgumentError(f"{path} is not an IDX file: fetch it again.")
    dtype, dimensions = np.dtype(TYPES[content[2]]), content[3]
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", dimensions, offset=4))
    header, size = 4 + 4 * dimensions, int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if len(content) != header + size:
        raise ArgumentError(
            f"{path} should hold {shape} elements of {dtype.itemsize} byte(s) after its header, and is {len(content)} "
            "bytes long: fetch it again."
        )
    return np.frombuffer(content, dtype, offset=header).reshape(shape).astype(dtype.newbyteorder("="))
