"""`digits`: the 1,797 handwritten digits that come with scikit-learn, in a fixed split."""

import numpy as np
from sklearn import datasets, model_selection

from trainers.data.classification_dataset import ImageDataset, grayscale_dataset

TEST_SIZE = 360
SCALE = 4  # an 8x8 image becomes 32x32, the size of the CIFAR nets


def digit_arrays() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns the digits in a stratified split, always the same.

    Each of the 8x8 pixels, of value 0..16, becomes 4x4 pixels of value 0..255.

    Returns:
        Training images, (1437, 32, 32) uint8; test images, (360, 32, 32) uint8; training labels, (1437,), and test
        labels, (360,), integers.
    """
    digits = datasets.load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)
    images = images.repeat(SCALE, axis=1).repeat(SCALE, axis=2)
    return model_selection.train_test_split(
        images, digits.target, test_size=TEST_SIZE, stratify=digits.target, random_state=0
    )


def open_digits() -> ImageDataset:
    """Opens the data set `digits`."""
    train_images, test_images, train_labels, test_labels = digit_arrays()
    return grayscale_dataset(train_images, train_labels, test_images, test_labels, labels=map(str, range(10)))
