"""Image files with one label each: the common part of `folder:` and `csv:`."""

import collections
import pathlib
from collections.abc import Sequence

import tensorflow as tf

from keras_resnets.errors import ArgumentError
from trainers.data.classification_dataset import IMAGENET_MEAN, IMAGENET_STD, ImageDataset
from trainers.data.image_source import encoded_files
from trainers.data.sources.image_sizes import image_sizes, say_common_files
from trainers.data.sources.problems import Problems
from trainers.data.split import Split, shuffled_indices

LabelledFile = tuple[pathlib.Path, str]  # an image file, and its label


def file_dataset(
    labels: Sequence[str], train: Sequence[LabelledFile], test: Sequence[LabelledFile] | None, problems: Problems
) -> ImageDataset:
    """Returns a data set of the images that can be decoded; each file is decoded once.

    Args:
        labels: names of the classes.
        train: training images.
        test: images to measure with; None if they are to be held out of `train`.
        problems: where to report images that cannot be used.

    Raises:
        ArgumentError: if there is one class only, a class has no training image, or a split has no image.
    """
    _check_labels(labels, problems)
    train = _usable("train on", train, problems)
    if without := _without_image(labels, train):
        raise ArgumentError(
            f"--dataset={problems.dataset} has no training image of {without}: remove the class, or add some."
        )
    if test is not None:
        test = _usable("measure with", test, problems)
        if without := _without_image(labels, test):
            problems.say(f"there is no image of {without} to measure with")
        say_common_files([file.path for file, _ in train], [file.path for file, _ in test], problems)
    return ImageDataset(
        labels=tuple(labels),
        side=None,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        train=_file_split(labels, train),
        test=None if test is None else _file_split(labels, test),
    )


def _check_labels(labels, problems):
    """Stops for labels that cannot be meant, and says which ones may not be."""
    if len(labels) < 2:
        raise ArgumentError(
            f"--dataset={problems.dataset} has one class only ({', '.join(labels)}): a classifier needs two or more."
        )
    alike = collections.defaultdict(list)
    for label in labels:
        alike[label.strip().casefold()].append(label)
    for same in alike.values():
        if len(same) > 1:
            problems.say(f"{' and '.join(map(repr, same))} are different classes; is one meant?")


def _without_image(labels, files):
    """Returns the classes without an image, in words."""
    found = {label for _, label in files}
    return ", ".join(repr(label) for label in labels if label not in found)


def _usable(use, files, problems):
    """Returns the files that can be used, as `InspectedFile`s with their labels, and reports the others."""
    found = image_sizes([file for file, _ in files], f"reading {problems.dataset}, images to {use}")
    for file in found:
        if file.reason:
            problems.report("image", file.path, file.reason)
    usable = [(file, label) for file, (_, label) in zip(found, files) if not file.reason]
    if not usable:
        raise ArgumentError(
            f"--dataset={problems.dataset} has no image to {use} that can be used{problems.main_cause}."
        )
    return usable


def _file_split(labels, files):
    indices = {label: index for index, label in enumerate(labels)}
    image = encoded_files([file for file, _ in files])
    classes = tf.constant([indices[label] for _, label in files], tf.int32)

    def keys(seed):
        return shuffled_indices(len(files), seed).map(
            lambda index: {"index": index, "label": tf.gather(classes, index)}
        )

    def load(key):
        return {"image": image(key["index"]), "label": key["label"]}

    return Split(len(files), keys, load)
