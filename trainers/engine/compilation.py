"""--jit_compile=auto: measures whether XLA makes the training step faster, which depends on the processor.

XLA fuses the operations after a convolution. Its convolutions are slower than those of oneDNN, which TensorFlow uses
on some processors.
"""

import functools
from collections.abc import Callable

import tensorflow as tf

from trainers.runtime.failures import cause
from trainers.runtime.measuring import in_turns

BATCHES = 2  # the first of the data, the same for every measurement
TURNS = 3


def can_compile(strategy: tf.distribute.Strategy) -> bool:
    """Whether XLA can compile a step: within a compiled step, only the default strategy can reduce over replicas."""
    return strategy is tf.distribute.get_strategy()


def timed_batches(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Returns the batches to measure with, cached and repeated without end, a `tf.data.Dataset`."""
    return batches.take(BATCHES).cache().repeat()


def choose(steps: dict[bool, Callable], iterator, batch_size: int) -> tuple[bool, str]:
    """Measures training steps, in turns, after they have been traced and compiled.

    Args:
        steps: True -> the step function compiled by XLA; False -> without XLA. Both take an iterator and a number of
            steps, an int32 tensor.
        iterator: of `timed_batches`.
        batch_size: images of a step.

    Returns:
        Whether XLA should compile, and why, in words.
    """
    calls = {compiles: functools.partial(call, iterator, tf.constant(BATCHES)) for compiles, call in steps.items()}
    calls[False]()
    try:
        calls[True]()
    except tf.errors.OpError as error:  # With --deterministic, XLA has no gradient of maximum pooling.
        return False, f"XLA cannot compile the step ({cause(error)})"
    rates = {compiles: BATCHES * batch_size / seconds for compiles, seconds in in_turns(calls, TURNS).items()}
    return rates[True] > rates[False], f"{rates[False]:.4g} images/s without XLA, {rates[True]:.4g} with"
