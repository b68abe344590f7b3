"""Whether the graph that is being made is for XLA, for layers with a kernel that XLA lacks.

TensorFlow does not tell a function while it is traced. `fit`, `evaluate` and `predict` of a detector, and the trainers'
commands, open the scope themselves.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

import tensorflow as tf

_FOR_XLA: ContextVar[bool] = ContextVar("for_xla", default=False)


@contextlib.contextmanager
def xla_scope(is_on: bool = True) -> Iterator[None]:
    """Makes the graphs of a `with` statement for XLA, as functions with `jit_compile=True` need; False is no change."""
    token = _FOR_XLA.set(is_on or _FOR_XLA.get())
    try:
        yield
    finally:
        _FOR_XLA.reset(token)


def is_for_xla() -> bool:
    """Returns whether the graph is for XLA: in an `xla_scope`, or on TPUs."""
    return _FOR_XLA.get() or isinstance(tf.distribute.get_strategy(), tf.distribute.TPUStrategy)
