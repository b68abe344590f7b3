"""--jit_compile=auto: whether the training step is faster when XLA compiles it, which depends on the processor.

XLA fuses what follows a convolution; its own convolutions are slower than those of oneDNN, which TensorFlow uses on
some processors.
"""

import functools

import tensorflow as tf

from trainers.runtime.failures import cause
from trainers.runtime.measuring import in_turns

BATCHES = 2  # the first ones of the data: the same for every measurement
TURNS = 3


def can_compile(strategy):
    """Whether XLA can compile a step by itself: no other strategy than the default one lets replicas meet inside."""
    return strategy is tf.distribute.get_strategy()


def timed_batches(batches):
    """Returns a `tf.data.Dataset` of the batches to measure with, again and again; it does not wait for data."""
    return batches.take(BATCHES).cache().repeat()


def choose(steps, iterator, batch_size):
    """Measures training steps, in turns, after they have been traced and compiled.

    Args:
        steps: dict of functions of an iterator and a number of steps, an int32 tensor, by whether XLA compiles.
        iterator: of `timed_batches`.
        batch_size: images of a step.

    Returns:
        Whether XLA is to compile, and why, in words.
    """
    calls = {compiles: functools.partial(call, iterator, tf.constant(BATCHES)) for compiles, call in steps.items()}
    calls[False]()
    try:
        calls[True]()
    except tf.errors.OpError as error:  # With --deterministic, XLA has no gradient of maximum pooling.
        return False, f"XLA cannot compile the step ({cause(error)})"
    rates = {compiles: BATCHES * batch_size / seconds for compiles, seconds in in_turns(calls, TURNS).items()}
    return rates[True] > rates[False], f"{rates[False]:.4g} images/s without XLA, {rates[True]:.4g} with"
