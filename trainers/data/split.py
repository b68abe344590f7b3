"""A `Split`: the training or the test examples of a data set."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from keras_resnets.errors import ArgumentError
from trainers.data.tf_data_options import untuned

Example = dict[str, Any]
Dataset = TypeVar("Dataset")  # an `ImageDataset` or a `DetectionDataset`


@dataclasses.dataclass(frozen=True)
class Split:
    """The training or the test examples of a data set.

    Attributes:
        size: number of examples.
        keys: function from a seed, (2,) int64, to a `tf.data.Dataset` of keys, in an order that the seed determines;
            from None, in the order of the data set. A key is a dict of `index` (int64, 0 .. size - 1) and whatever
            `load` needs. The `tf.data.Dataset` is `trainers.data.tf_data_options.untuned`.
        load: function from a key to an example, called in graph mode: a dict of `image`, a
            `trainers.data.image_source.ImageSource`, and the image's labels.
        part: function from a `tf.distribute.InputContext` to a `Split` of the files that one of several machines reads.
            None where any machine can read any example by its index.
        first: function from a number to a `Split` of that many examples, the first ones. Only for examples that are
            read from the beginning on, and stored in a random order; None for others.
        is_stream: whether the examples can be read from the beginning on only; their keys then hold the images.
    """

    size: int
    keys: Callable[[tf.Tensor | None], tf.data.Dataset]
    load: Callable[[dict[str, tf.Tensor]], Example]
    part: Callable[[tf.distribute.InputContext], Split] | None = None
    first: Callable[[int], Split] | None = None
    is_stream: bool = False


def hold_out(dataset: Dataset, amount: float) -> Dataset:
    """Returns a data set with some of the training images as its test split, and the others as its training split.

    The images are chosen at random, always the same: a share of each class, or a number of all images. The papers chose
    their schedules in this way, on 5,000 of CIFAR-10's images. What is measured with, and what is not used, is said on
    stderr.

    Args:
        dataset: the data set; for a share, an `ImageDataset`.
        amount: the share, less than 1, or the number of images. Of a class of two images or more, a share is one image
            at least, and not all images. A class of one image is trained on.

    Raises:
        ArgumentError: if `amount` is not between 0 and the number of training images, or no class has two images.
    """
    size = dataset.train.size
    if not 0 < amount < size:
        raise ArgumentError(
            f"--holdout={amount} must be positive and less than the {size} training images, or a share like 0.2."
        )
    order = np.random.default_rng(0).permutation(size)
    held_out, others = _shares(dataset.train, order, amount) if amount < 1 else np.split(order, [int(amount)])
    drawn = ", drawn by class," if amount < 1 else ""
    instead = f", instead of the {dataset.test.size} test images, which are not used" if dataset.test else ""
    print(
        f"--holdout={amount}: {len(held_out)} of the {size} training images{drawn} are measured with, and not trained "
        f"on{instead}",
        file=sys.stderr,
    )
    return dataclasses.replace(dataset, train=_subset(dataset.train, others), test=_subset(dataset.train, held_out))


def _shares(split, order, share):
    """Divides indices in two: a share of each class, and the rest."""
    labels = labels_of(split)[order]
    chosen = np.zeros(len(order), bool)
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        chosen[places[: min(max(round(share * len(places)), 1), len(places) - 1)]] = True
    if not chosen.any():
        raise ArgumentError(f"--holdout={share} needs a class of two training images or more.")
    return order[chosen], order[~chosen]


def sample(split: Split, count: int) -> Split:
    """Returns a split of `count` random examples, always the same, or of all if there are no more."""
    if count >= split.size:
        return split
    if split.first is not None:
        return split.first(count)
    return _subset(split, np.random.default_rng(0).permutation(split.size)[:count])


def shuffled_indices(size: int, seed: tf.Tensor | None) -> tf.data.Dataset:
    """Returns 0 .. size - 1, int64, in an order that `seed` determines; ascending for None."""
    indices = tf.range(tf.constant(size, tf.int64))
    if seed is not None:
        indices = tf.random.experimental.stateless_shuffle(indices, seed)
    return untuned(tf.data.Dataset.from_tensor_slices(indices))


def _subset(split: Split, indices: np.ndarray) -> Split:
    chosen = np.zeros(max(indices) + 1, bool)
    chosen[indices] = True

    def is_chosen(key):
        last = tf.constant(len(chosen) - 1, tf.int64)
        return (key["index"] <= last) & tf.gather(chosen, tf.minimum(key["index"], last))

    # Without `part`: the indices within a part of the files are not those of `indices`.
    return Split(len(indices), lambda seed: split.keys(seed).filter(is_chosen), split.load, is_stream=split.is_stream)


def labels_of(split: Split) -> np.ndarray:
    """Returns the labels of a split's examples in their order, (size,) int32. No image is decoded.

    Args:
        split: of an `ImageDataset`.
    """
    labels = split.keys(None).map(lambda key: split.load(key)["label"]).batch(split.size)
    return next(iter(labels)).numpy()
