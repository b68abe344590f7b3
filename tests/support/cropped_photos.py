"""What torchvision's evaluation transforms make of photographs, in a file of `parity/torchvision_crops.py`."""

import numpy as np
import tensorflow as tf

from keras_resnets.preprocessing import Preprocessing, decode


def differences_of_crops(path):
    """Yields the (size, size, 3) absolute differences between torchvision's crops in a file and our own."""
    with np.load(path) as arrays:
        crops = {name: arrays[name] for name in arrays}
    photos = {name: decode(tf.constant(crops.pop(name).tobytes()), exact=True) for name in [*crops] if " " not in name}
    for name, expected in crops.items():
        photo, pillow_filter, short_side, size = name.split()
        preprocessing = Preprocessing(int(size), int(short_side), (0,) * 3, (1,) * 3, pillow_filter=pillow_filter)
        yield np.abs(preprocessing.crop(photos[photo]) - expected)
