"""Small images with boxes, as tests write and load them."""

import numpy as np
import tensorflow as tf
from PIL import Image


def write_image(path, width, height):
    """Writes a JPEG file of noise, `width` x `height` pixels, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype="uint8")
    Image.fromarray(pixels).save(path, "JPEG")


def load(split, seed=None):
    """Returns a split's examples, a list of dicts of arrays: the objects, and `size`, the image's width and height."""

    def example(key):
        loaded = split.load(key)
        height, width, _ = tf.unstack(tf.shape(loaded.pop("image").pixels()))
        return {**loaded, "size": tf.stack([width, height])}

    return list(split.keys(seed).map(example).as_numpy_iterator())


def sizes(split):
    """Returns the (width, height) of every image of a split, a list; tests tell images apart by it."""
    return [tuple(example["size"].tolist()) for example in load(split)]
