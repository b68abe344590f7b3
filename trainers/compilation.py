"""--jit_compile=auto: whether the training step is faster when XLA compiles it, which depends on the processor.

XLA fuses what follows a convolution; its own convolutions are slower than those of oneDNN, which TensorFlow uses on
some processors.
"""

import functools

import tensorflow as tf

from trainers.measuring import in_turns

AUTO = "auto"
BATCHES = 2  # the first ones of the data: the same for every measurement
TURNS = 3


def can_compile(strategy):
    """Whether XLA can compile a step by itself: no other strategy than the default one lets replicas meet inside."""
    return strategy is tf.distribute.get_strategy()


def timed_batches(batches):
    """Returns a `tf.data.Dataset` of the batches to measure with, again and again; it does not wait for data."""
    return batches.take(BATCHES).cache().repeat()


def images_per_second(functions, iterator, batch_size):
    """Measures training steps, in turns, after they have been traced and compiled.

    Args:
        functions: dict of functions of an iterator and a number of steps, an int32 tensor.
        iterator: of `timed_batches`.
        batch_size: images of a step.

    Returns:
        A dict of the images per second of each, floats.
    """
    calls = {name: functools.partial(steps, iterator, tf.constant(BATCHES)) for name, steps in functions.items()}
    for call in calls.values():
        call()
    return {name: BATCHES * batch_size / seconds for name, seconds in in_turns(calls, TURNS).items()}
