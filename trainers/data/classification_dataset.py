"""Data sets of images with one label each."""

import dataclasses
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from keras_resnets.normalization import TORCH
from trainers.data.image_source import Pixels
from trainers.data.split import Split, shuffled_indices

# Mean and deviation of ImageNet's training images, in 0..255 (Torch code of arXiv 1512.03385). They stand for those of
# data sets too large to measure, too.
IMAGENET_MEAN, IMAGENET_STD = TORCH.mean, TORCH.std


@dataclasses.dataclass(frozen=True)
class ImageDataset:
    """Images with one label each: `label`, an int32 scalar, in the examples of both splits.

    Attributes:
        labels: names of the classes; label i is `labels[i]`.
        side: height and width of all images, in pixels; None if they differ.
        mean: of each channel over the training images, in 0..255.
        std: standard deviation of each channel over the training images, in 0..255.
        train: the training split.
        test: the split whose error is reported; None where it is still to be held out of `train`.
        measured: name of the split that `test` is, where names in the files tell; else None.
    """

    labels: tuple[str, ...]
    side: int | None
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    train: Split
    test: Split | None
    measured: str | None = None


def grayscale_dataset(
    train_images: np.ndarray,
    train_labels: np.ndarray,
    test_images: np.ndarray,
    test_labels: np.ndarray,
    labels: Iterable[str],
) -> ImageDataset:
    """Returns a data set of grayscale images in memory, with the mean and standard deviation of the training images.

    Args:
        train_images: (N, H, W) uint8.
        train_labels: (N,) integers.
        test_images: (M, H, W) uint8.
        test_labels: (M,) integers.
        labels: names of the classes.
    """
    mean, std = float(np.mean(train_images)), max(float(np.std(train_images)), 1.0)  # 1 for constant images
    height, width = train_images.shape[1:3]
    return ImageDataset(
        labels=tuple(labels),
        side=height if height == width else None,
        mean=(mean, mean, mean),
        std=(std, std, std),
        train=grayscale_split(train_images, train_labels),
        test=grayscale_split(test_images, test_labels),
    )


def grayscale_split(images: np.ndarray, labels: np.ndarray) -> Split:
    """Returns a split of grayscale images in memory, whose channel is repeated three times.

    Args:
        images: (N, H, W) uint8.
        labels: (N,) integers.
    """
    images, labels = tf.constant(images), tf.constant(labels, tf.int32)

    def keys(seed):
        return shuffled_indices(len(images), seed).map(lambda index: {"index": index})

    def load(key):
        image = tf.gather(images, key["index"])[..., tf.newaxis]
        return {"image": Pixels(tf.image.grayscale_to_rgb(image)), "label": tf.gather(labels, key["index"])}

    return Split(len(images), keys, load)
