"""Random initial weights from a seed."""

import contextlib
import random


@contextlib.contextmanager
def seeded(seed: int):
    """Makes the initializers of the nets that are built in a `with` statement draw from a seed.

    Without seeds of their own, the initializers of Keras and of `keras_resnets`, and Keras's layers with random
    numbers, draw their seeds from Python's generator. It is the only one that is seeded, and its state is restored
    afterwards: a net that is built changes no random number that others draw.

    Args:
        seed: an integer from 0 to 2 ** 32 - 1, as for `keras.utils.set_random_seed`, which leads to the same weights.
    """
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)
