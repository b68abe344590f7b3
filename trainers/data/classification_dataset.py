"""Data sets of images with one label each."""

import dataclasses

import numpy as np
import tensorflow as tf

from trainers.data.image_source import Pixels
from trainers.data.split import Split, shuffled_indices

# Of ImageNet's training images, in 0..255 (arXiv 1512.03385's Torch code); for data sets too large to measure.
IMAGENET_MEAN = (123.675, 116.28, 103.53)


IMAGENET_STD = (58.395, 57.12, 57.375)


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
