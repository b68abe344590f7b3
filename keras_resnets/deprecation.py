"""Old names of arguments, which are accepted for one release."""

import functools
import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from keras_resnets.errors import ArgumentError


def with_new_names(arguments: Mapping[str, Any], new_names: Mapping[str, str], warn: bool = False) -> dict[str, Any]:
    """Returns arguments by their present names.

    Args:
        arguments: values by name.
        new_names: the new name of each argument that was renamed, by its old name.
        warn: whether an old name causes a DeprecationWarning. Users' calls do; files of an older version do not.

    Raises:
        ArgumentError: (a ValueError) if both names of an argument are given.
    """
    renamed = {}
    for name, value in arguments.items():
        new_name = new_names.get(name, name)
        if new_name != name:
            if new_name in arguments:
                raise ArgumentError(f"{name}={value!r} is the old name of {new_name}, which is given as well: omit it.")
            if warn:
                warnings.warn(
                    f"{name} is now called {new_name}; the next release does not accept the old name.",
                    DeprecationWarning,
                    stacklevel=_level_of_the_caller(),
                )
        renamed[new_name] = value
    return renamed


def accepts_old_names(new_names: Mapping[str, str]) -> Callable[[Callable], Callable]:
    """Returns a decorator for a method whose keyword arguments were renamed: see `with_new_names`."""

    def decorate(method):
        @functools.wraps(method)
        def call(self, *args, **kwargs):
            return method(self, *args, **with_new_names(kwargs, new_names, warn=True))

        call.__signature__ = inspect.signature(method)  # Keras inspects the constructors of layers.
        return call

    return decorate


def _level_of_the_caller() -> int:
    """Returns the `stacklevel` for `warnings.warn` of the first frame outside of this package and Keras."""
    frame, level = inspect.currentframe(), 0
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] in ("keras", "keras_resnets"):
        frame, level = frame.f_back, level + 1
    return level
