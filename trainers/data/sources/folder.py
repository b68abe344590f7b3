"""`folder:PATH`: image files in `PATH/train/CLASS/` and `PATH/val/CLASS/` (or `test/`)."""

import pathlib
import sys

import tensorflow as tf

from keras_resnets.errors import ArgumentError
from trainers.data.classification_dataset import IMAGENET_MEAN, IMAGENET_STD, ImageDataset
from trainers.data.image_files import EXTENSIONS, image_files
from trainers.data.image_source import Encoded
from trainers.data.sources.image_sizes import image_sizes
from trainers.data.sources.problems import NAMED
from trainers.data.split import Split, shuffled_indices


def open_folder(path: str) -> ImageDataset:
    """Opens a folder of images; the classes are the names of the folders in `train`, sorted.

    Each file is decoded once. Those that cannot be decoded are reported on stderr and skipped.

    Raises:
        ArgumentError: if a split is missing or empty, or the test split has a class that the training split lacks.
    """
    root = pathlib.Path(path)
    train = _subfolder(root, ["train"])
    test = _subfolder(root, ["val", "test"])
    labels = _classes(train)
    unknown = sorted(set(_classes(test)) - set(labels))
    if unknown:
        raise ArgumentError(f"folder:{path}: {test} has the class {unknown[0]!r}, which {train} lacks.")
    train_files, test_files = _labelled_files(train, labels), _labelled_files(test, labels)
    empty = sorted(set(range(len(labels))) - {label for _, label in train_files})
    if empty:
        raise ArgumentError(f"folder:{path}: {train / labels[empty[0]]} has no image: remove it, or fill it.")
    return ImageDataset(
        labels=tuple(labels),
        side=None,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        train=_file_split(train_files),
        test=_file_split(test_files),
    )


def _classes(folder):
    """Returns the names of the folders in `folder`, except hidden ones, which tools leave behind."""
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _subfolder(root, names):
    for name in names:
        if (root / name).is_dir():
            return root / name
    missing = " or ".join(str(root / name) for name in names)
    raise ArgumentError(f"--dataset=folder:{root}: there is no folder {missing}; expected train/CLASS/ and val/CLASS/.")


def _labelled_files(folder, labels):
    files = [(str(file), label) for label, name in enumerate(labels) for file in image_files(folder / name)]
    files = _decodable(folder, files)
    if not files:
        raise ArgumentError(f"{folder} has no images in folders by class ({', '.join(sorted(EXTENSIONS))}).")
    return files


def _file_split(files):
    paths, classes = tf.constant([file for file, _ in files]), tf.constant([label for _, label in files], tf.int32)

    def keys(seed):
        return shuffled_indices(len(files), seed).map(
            lambda index: {"index": index, "path": tf.gather(paths, index), "label": tf.gather(classes, index)}
        )

    def load(key):
        return {"image": Encoded(tf.io.read_file(key["path"])), "label": key["label"]}

    return Split(len(files), keys, load)


def _decodable(folder, files):
    """Returns the files that can be decoded, and reports the others."""
    decodable = image_sizes([file for file, _ in files], f"reading {folder}").any(axis=1)
    bad = [file for (file, _), good in zip(files, decodable) if not good]
    for file in bad[:NAMED]:
        print(f"skipped {file}: it cannot be decoded", file=sys.stderr)
    if bad:
        print(f"skipped {len(bad)} of {len(files)} images in {folder}", file=sys.stderr)
    return [file for file, good in zip(files, decodable) if good]
