"""Real photographs of many sizes: random parts of scikit-learn's two photographs."""

import keras
import numpy as np
from sklearn.datasets import load_sample_images


def photos(count, seed):
    """Yields (height, width, 3) uint8 of 40 to 400 pixels a side, and the number of its photograph, 0 or 1."""
    random, originals = np.random.default_rng(seed), load_sample_images().images
    for _ in range(count):
        label = int(random.integers(2))
        height, width = random.integers(40, 400, 2)
        top, left = random.integers(0, 427 - height), random.integers(0, 640 - width)
        yield originals[label][top : top + height, left : left + width], label


def save_photos(folder, splits):
    """Writes JPEG files as `folder:` reads them, e.g. {"train": 80, "val": 20}; classes are "china" and "flower"."""
    for seed, (split, count) in enumerate(splits.items()):
        for i, (image, label) in enumerate(photos(count, seed)):
            path = folder / split / ("china", "flower")[label] / f"{i}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            keras.utils.save_img(path, image, scale=False)
