"""What a data set is to the trainers, and how the value of `--dataset` becomes one."""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_resnets import ArgumentError
from trainers.data.tf_data_options import untuned


@dataclasses.dataclass(frozen=True)
class Split:
    """One part of a data set.

    Attributes:
        size: number of examples.
        keys: function from a seed (two int64 in a tensor) or None to a `tf.data.Dataset` of dicts with `index` (int64,
            0 .. size - 1) and whatever `load` needs; in an order that the seed determines, or that of the data set. It
            is `trainers.data.tf_data_options.untuned`.
        load: function from a key to `image`, a source of `trainers.data.image_source`, and what is known of it; in
            graph mode.
        part: function from a `tf.distribute.InputContext` to a `Split` of the files that one of several machines reads,
            or None where examples are found by their index, so that any machine can read any example.
        first: function from a number to a `Split` of the first so many examples, where their order is random and they
            are read from the first on; None elsewhere.
    """

    size: int
    keys: Callable
    load: Callable
    part: Callable | None = None
    first: Callable | None = None


def hold_out(dataset, count):
    """Returns a data set that is trained without `count` training images, and measured on these.

    They are always the same, chosen at random: the papers chose their schedules so, on 5,000 of CIFAR-10's images.

    Raises:
        ArgumentError: if there are not so many.
    """
    size = dataset.train.size
    if not 0 < count < size:
        raise ArgumentError(f"--holdout={count} must be positive and less than the {size} training images.")
    held_out, others = np.split(np.random.default_rng(0).permutation(size), [count])
    return dataclasses.replace(dataset, train=_subset(dataset.train, others), test=_subset(dataset.train, held_out))


def sample(split, count):
    """Returns a split of `count` examples, always the same, chosen at random; of all where there are not more."""
    if count >= split.size:
        return split
    if split.first is not None:
        return split.first(count)
    return _subset(split, np.random.default_rng(0).permutation(split.size)[:count])


def _subset(split, indices):
    """Returns a split of the examples of some indices only."""
    chosen = np.zeros(max(indices) + 1, bool)
    chosen[indices] = True

    def is_chosen(key):
        last = tf.constant(len(chosen) - 1, tf.int64)
        return (key["index"] <= last) & tf.gather(chosen, tf.minimum(key["index"], last))

    # Without parts: a machine that reads only some of the files would not know which examples are meant.
    return Split(len(indices), lambda seed: split.keys(seed).filter(is_chosen), split.load)


def shuffled_indices(size, seed):
    """Returns 0 .. size - 1 as a data set of int64, in an order that `seed` determines (None: ascending)."""
    indices = tf.range(tf.constant(size, tf.int64))
    if seed is not None:
        indices = tf.random.experimental.stateless_shuffle(indices, seed)
    return untuned(tf.data.Dataset.from_tensor_slices(indices))
