"""Packages of `keras_resnets` whose `__init__.py` runs after a command's flags are checked.

Flags are defined from tables in `keras_resnets` that need the standard library only, such as `detection.options`. But
to import a module, Python runs the `__init__.py` of its packages first. That of `keras_resnets` imports all of Keras,
as it must: it registers the classes that `keras.models.load_model` finds. A wrong flag would be answered seconds later.
"""

import importlib.util
import sys

# with tables that flags need
PACKAGES = ("keras_resnets", "keras_resnets.detection", "keras_resnets.serving", "keras_resnets.weights")
_deferred = []


def defer():
    """Makes the packages importable without running their `__init__.py`, unless that has been done."""
    for name in PACKAGES:
        if name not in sys.modules:
            package = importlib.util.module_from_spec(importlib.util.find_spec(name))
            sys.modules[name] = package
            parent, _, child = name.rpartition(".")
            if parent:
                setattr(sys.modules[parent], child, package)
            _deferred.append(package)


def is_deferring():
    """Whether there are packages whose `__init__.py` has not been run."""
    return bool(_deferred)


def execute():
    """Runs each `__init__.py` that `defer` has left out: inner packages first, as outer ones import from them."""
    while _deferred:
        package = _deferred.pop()
        package.__spec__.loader.exec_module(package)
