"""Keras's global dtype policy, set for a block of code."""

import contextlib
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def dtype_policy_scope(policy: "str | keras.DTypePolicy") -> Iterator[None]:
    """Sets the dtype policy of the layers that are made in a `with` block, and restores the one from before after it.

    Args:
        policy: a `keras.DTypePolicy`, or its name, such as "mixed_bfloat16".
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
