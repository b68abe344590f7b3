"""Old names of arguments, functions and classes, which are accepted for one release."""

import functools
import importlib
import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from keras_resnets.errors import ArgumentError


def warn_of_old_name(old: str, new: str) -> None:
    """Causes a FutureWarning where the user's code has an old name. (Python hides a DeprecationWarning from users.)"""
    warnings.warn(
        f"{old} is now called {new}; the next release does not accept the old name.",
        FutureWarning,
        stacklevel=_level_of_the_caller(),
    )


def with_new_names(arguments: Mapping[str, Any], new_names: Mapping[str, str], warn: bool = False) -> dict[str, Any]:
    """Returns arguments by their present names.

    Args:
        arguments: values by name.
        new_names: the new name of each argument that was renamed, by its old name.
        warn: whether an old name causes a FutureWarning. Users' calls do; files of an older version do not.

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
                warn_of_old_name(name, new_name)
        renamed[new_name] = value
    return renamed


def accepts_old_names(new_names: Mapping[str, str]) -> Callable[[Callable], Callable]:
    """Returns a decorator for a method whose keyword arguments were renamed: see `with_new_names`."""

    def decorate(method):
        @functools.wraps(method)
        def call(self, *args, **kwargs):
            return method(self, *args, **with_new_names(kwargs, new_names, warn=True))

        vars(call)["__signature__"] = inspect.signature(method)  # Keras inspects the constructors of layers.
        return call

    return decorate


def moved_names(module: str, new_places: Mapping[str, str]) -> Callable[[str], Any]:
    """Returns the `__getattr__` of a module whose functions or classes have moved or have new names.

    Args:
        module: the module's name.
        new_places: the new module and name, such as "keras_resnets.detection.options.FasterRCNNOptions", by the old
            name. The new module is imported when an old name is used.
    """

    def find(name: str) -> Any:
        if name not in new_places:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warn_of_old_name(f"{module}.{name}", new_places[name])
        new_module, _, new_name = new_places[name].rpartition(".")
        return getattr(importlib.import_module(new_module), new_name)

    return find


def _level_of_the_caller() -> int:
    """Returns the `stacklevel` for `warn_of_old_name` of the first frame outside of this package and Keras."""
    frame, level = inspect.currentframe(), 0
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] in ("keras", "keras_resnets"):
        frame, level = frame.f_back, level + 1
    return level
