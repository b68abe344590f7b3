"""Real photographs of many sizes: parts of the two that scikit-learn has."""

import numpy as np
from sklearn.datasets import load_sample_images


def photos(count, seed):
    """Yields (height, width, 3) uint8, 40 to 400 pixels a side, and which photograph it is of, 0 or 1."""
    random, originals = np.random.default_rng(seed), load_sample_images().images
    for _ in range(count):
        label = int(random.integers(2))
        height, width = random.integers(40, 400, 2)
        top, left = random.integers(0, 427 - height), random.integers(0, 640 - width)
        yield originals[label][top : top + height, left : left + width], label
