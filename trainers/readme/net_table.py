"""The table of all nets: what they cost, and what their papers measured."""

import functools
from collections.abc import Callable

import keras

import keras_resnets
from keras_resnets.models.registry import find, names
from keras_resnets.weights.published_files import rows_of
from trainers.readme.place import HEAD
from trainers.runtime.measuring import parameters


def content() -> str:
    """Returns the table, for which all nets are built."""
    return HEAD + "".join(row(name, _build(name)) for name in names())


def row(name: str, model: keras.Model) -> str:
    """Returns a net's line of the table.

    Args:
        name: one of `keras_resnets.list_models()`.
        model: the net, built without arguments.

    Returns:
        Name, builder, trainable parameters, multiply-adds at the net's input size, that size in pixels, the paper's
        top-1 / top-5 error (of CIFAR nets, the test error), and where weights come from.
    """
    net = find(name)
    weights = next(iter(rows_of(name)), None)
    source = "" if weights is None else weights.source
    if weights is not None and weights.top1 is not None:
        source += f" (top-1 {weights.top1:g} %)"
    cells = [
        f"`{name}`",
        f"`{_call(net.build)}`",
        f"{parameters(model):,}",
        _engineering(keras_resnets.multiply_adds(model)),
        f"{net.size}x{net.size}",
        net.error,
        source,
    ]
    return f"| {' | '.join(cells)} |\n"


def _build(name: str) -> keras.Model:
    keras.backend.clear_session()  # Hundreds of nets' names and gigabytes of weights would stay.
    return find(name).build()


def _call(build: Callable) -> str:
    """Returns the Python call that builds a net, e.g. "CifarResNet(20)"."""
    if isinstance(build, functools.partial):  # of a family, with its depth
        return f"{build.func.__name__}({build.args[0]})"
    return build.__name__


def _engineering(number: float) -> str:
    return f"{number / 1e9:.2f}e9" if number >= 1e9 else f"{number / 1e6:.1f}e6"
