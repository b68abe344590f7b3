"""Classes with unequal numbers of images: weights of the classes in the loss, and epochs with as many of each."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from keras_resnets.errors import ArgumentError
from trainers.data.classification_dataset import ImageDataset
from trainers.data.split import Split, labels_of
from trainers.data.tf_data_options import untuned
from trainers.runtime.choices import BALANCED


def class_weights(chosen: str | Mapping[str, float], dataset: ImageDataset) -> dict[str, float]:
    """Returns the weight of each class in the loss; the mean over the training images is 1.

    Args:
        chosen: "balanced" for weights in inverse proportion to the images of a class, or weights by the names of
            classes, whose proportions count; classes without one have 1.
        dataset: the data set.

    Raises:
        ArgumentError: if a class does not exist, or no training image has a weight.
    """
    counts = np.bincount(labels_of(dataset.train), minlength=len(dataset.labels))
    if chosen == BALANCED:
        weights = np.where(counts > 0, 1 / np.maximum(counts, 1), 0)
    else:
        unknown = sorted(chosen.keys() - set(dataset.labels))
        if unknown:
            shown = ", ".join(dataset.labels[:10]) + (", ..." if len(dataset.labels) > 10 else "")
            raise ArgumentError(f"--class_weights: the data set has no class {unknown[0]!r}: it has {shown}.")
        weights = np.array([chosen.get(label, 1.0) for label in dataset.labels])
    mean = np.sum(weights * counts) / np.sum(counts)
    if mean == 0:
        raise ArgumentError("--class_weights gives every training image a weight of 0: give one class another.")
    return dict(zip(dataset.labels, (weights / mean).tolist()))


def balanced(dataset: ImageDataset) -> ImageDataset:
    """Returns a data set whose training split has as many images of each class, and at least as many in all as before.

    Of a class with fewer images, each is in an epoch several times, as equally often as possible; of one with more
    images, an epoch has some, which its seed chooses.

    Raises:
        ArgumentError: if the training images can be read from the beginning on only.
    """
    if dataset.train.is_stream:
        raise ArgumentError(
            f"--sampling={BALANCED} needs images that can be read in any order, which those of TensorFlow Datasets "
            f"cannot: pass --class_weights={BALANCED} instead."
        )
    return dataclasses.replace(dataset, train=_balanced(dataset.train))


def _balanced(split):
    labels, keys = labels_of(split), next(iter(split.keys(None).batch(split.size)))
    images = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    draws = -(-split.size // len(images))  # of each class
    # A class has rounds, in each of which every one of its images has a place; an epoch takes the first places.
    places, rounds, first_places, count = [], [], [], 0
    for of_class in images:
        repeats = -(-draws // len(of_class))
        first_places.append(np.arange(draws) + sum(map(len, places)))
        places.append(np.tile(of_class, repeats))
        rounds.append(np.repeat(np.arange(repeats) + count, len(of_class)))
        count += repeats
    places, rounds, first_places = map(np.concatenate, (places, rounds, first_places))

    def epoch(seed):
        """Returns the positions of an epoch's images among the keys, (draws of all classes,) int64."""
        if seed is None:
            return tf.constant(places[first_places])
        order = tf.random.experimental.stateless_shuffle(tf.range(len(places)), seed)
        order = tf.gather(order, tf.argsort(tf.gather(rounds, order), stable=True))  # shuffled within the rounds
        drawn = tf.gather(places, tf.gather(order, first_places))
        return tf.random.experimental.stateless_shuffle(drawn, tf.random.fold_in(seed, 1))

    def key(draw, position):
        # An image has another number each time, from which the seed of its augmentation is made.
        return {"index": draw, "key": tf.nest.map_structure(lambda values: tf.gather(values, position), keys)}

    return Split(
        len(first_places),
        lambda seed: untuned(tf.data.Dataset.from_tensor_slices(epoch(seed))).enumerate().map(key),
        lambda key: split.load(key["key"]),
    )
