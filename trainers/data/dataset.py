"""What a data set is to the trainers, and how the value of `--dataset` becomes one."""

import dataclasses
import difflib
import os
import re
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_resnets import ArgumentError
from trainers.data.image_source import Pixels
from trainers.data.tuning import untuned

# Of ImageNet's training images, in 0..255 (arXiv 1512.03385's Torch code); for data sets too large to measure.
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


@dataclasses.dataclass(frozen=True)
class Split:
    """One part of a data set.

    Attributes:
        size: number of examples.
        keys: function from a seed (two int64 in a tensor) or None to a `tf.data.Dataset` of dicts with `index` (int64,
            0 .. size - 1) and whatever `load` needs; in an order that the seed determines, or that of the data set. It
            is `trainers.data.tuning.untuned`.
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


@dataclasses.dataclass(frozen=True)
class ImageDataset:
    """Images with one label each, which a split's `load` returns as `label`, int32.

    Attributes:
        labels: the classes' names; label i is `labels[i]`.
        side: height and width of every image, in pixels, or None when they differ.
        mean: of each channel over the training images, in 0..255.
        std: likewise, the standard deviation.
        train: the split that is trained on.
        test: the split whose error is reported.
    """

    labels: tuple[str, ...]
    side: int | None
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    train: Split
    test: Split


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


def grayscale_split(images, labels):
    """A split held in memory.

    Args:
        images: (N, H, W) uint8, grayscale, to be repeated in three channels.
        labels: (N,) integers.
    """
    images, labels = tf.constant(images), tf.constant(labels, tf.int32)

    def keys(seed):
        return shuffled_indices(len(images), seed).map(lambda index: {"index": index})

    def load(key):
        image = tf.gather(images, key["index"])[..., tf.newaxis]
        return {"image": Pixels(tf.image.grayscale_to_rgb(image)), "label": tf.gather(labels, key["index"])}

    return Split(len(images), keys, load)


def grayscale_dataset(train_images, train_labels, test_images, test_labels, labels):
    """A grayscale data set held in memory, with the mean and standard deviation of its training images."""
    mean, std = float(np.mean(train_images)), max(float(np.std(train_images)), 1.0)  # Constant images divide by 1.
    height, width = train_images.shape[1:3]
    return ImageDataset(
        labels=tuple(labels),
        side=height if height == width else None,
        mean=(mean, mean, mean),
        std=(std, std, std),
        train=grayscale_split(train_images, train_labels),
        test=grayscale_split(test_images, test_labels),
    )


def absolute(name):
    """Returns a value of --dataset with its path made absolute, to be opened from any folder."""
    kind, _, path = name.partition(":")
    if kind not in ("folder", "idx", "voc", "coco"):
        return name
    paths = path.split(",") if kind == "coco" else [path]
    return f"{kind}:{','.join(map(os.path.abspath, paths))}"


def title(name):
    """Returns what a data set is called in a picture: the last part of its name or path."""
    return re.split(r"[:/]", name.rstrip("/"))[-1]


def open_dataset(name, data_dir=None, download=False):
    """Opens a data set for classification.

    Args:
        name: "digits", "one_digit_scenes", "idx:PATH", "folder:PATH" or "tfds:NAME": see the modules of
            `trainers.data`.
        data_dir: where TensorFlow Datasets keeps its data; None for its default.
        download: whether TensorFlow Datasets may download and prepare what is missing.

    Returns:
        An `ImageDataset`.

    Raises:
        ArgumentError: if there is no such data set, or it is damaged.
    """
    # Imported here: each source's library is loaded only when it is used.
    from trainers.data import digit_scenes, digits, folder, idx, tfds

    kind, separator, rest = name.partition(":")
    if name == "digits":
        return digits.open_digits()
    if name == "one_digit_scenes":
        return digit_scenes.open_one_digit_images()
    if separator and rest and kind == "idx":
        return idx.open_idx(rest)
    if separator and rest and kind == "folder":
        return folder.open_folder(rest)
    if separator and rest and kind == "tfds":
        return tfds.open_tfds(rest, data_dir, download)
    close = difflib.get_close_matches(kind, ["digits", "one_digit_scenes", "idx", "folder", "tfds"], n=1)
    hint = f" (did you mean {close[0]}?)" if close and name != close[0] else ""
    raise ArgumentError(
        f"--dataset={name} is unknown{hint}: use digits, one_digit_scenes, idx:PATH, folder:PATH or tfds:NAME."
    )
