"""Prints the table of all nets, as the README has it, or writes it there.

python -m trainers.models --readme=README.md
"""

import functools
import pathlib

import keras
import numpy as np
from absl import flags

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.models.registry import find, names
from keras_resnets.weights.published import PUBLISHED
from trainers.flags import command

BEGIN, END = "<!-- python -m trainers.models --readme=README.md -->\n", "<!-- end of the table -->\n"
HEAD = (
    '| net | builder | parameters | multiply-adds | input | the paper\'s error, % | weights="imagenet" |\n'
    "|---|---|---|---|---|---|---|\n"
)


def row(name, model):
    """Returns a net's line of the table.

    Args:
        name: one of `keras_resnets.list_models()`.
        model: the net, built without arguments.

    Returns:
        Name, builder, trainable parameters, multiply-adds at the net's input size, that size in pixels, the paper's
        top-1 / top-5 error (of CIFAR nets, the test error), and where weights come from.
    """
    net = find(name)
    parameters = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    weights = PUBLISHED[name] if name in PUBLISHED else None
    source = "" if weights is None else weights.source
    if weights is not None and weights.top1 is not None:
        source += f" (top-1 {weights.top1:g} %)"
    cells = [
        f"`{name}`",
        f"`{builder(name)}`",
        f"{parameters:,}",
        _engineering(keras_resnets.multiply_adds(model)),
        f"{net.size}x{net.size}",
        net.error,
        source,
    ]
    return f"| {' | '.join(cells)} |\n"


def builder(name):
    """Returns the Python call that builds a net, e.g. "CifarResNet(20)"."""
    build = find(name).build
    if isinstance(build, functools.partial):  # of a family, with its depth
        return f"{build.func.__name__}({build.args[0]})"
    return build.__name__


def table(text):
    """Returns the lines of the table in a README, a dict of net -> line.

    Raises:
        ArgumentError: if the README has no place for it.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ArgumentError(f"--readme must have the lines {BEGIN.strip()} and {END.strip()} once each.")
    body = text.split(BEGIN)[1].split(END)[0].removeprefix(HEAD)
    return {line.split("`")[1]: line for line in body.splitlines(keepends=True)}


def _build(name):
    keras.backend.clear_session()  # Hundreds of nets' names and gigabytes of weights would stay.
    return find(name).build()


def _engineering(number):
    return f"{number / 1e9:.2f}e9" if number >= 1e9 else f"{number / 1e6:.1f}e6"


def _define_flags():
    flags.DEFINE_string("readme", None, "File whose table to write; by default the table is printed.")


def _main(arguments):
    command.no_arguments(arguments)
    path = flags.FLAGS.readme and pathlib.Path(flags.FLAGS.readme)
    text = path and path.read_text()
    if text:
        table(text)  # Complains before the nets are built, which takes minutes.
    content = HEAD + "".join(row(name, _build(name)) for name in names())
    if not text:
        print(content, end="")
        return
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    path.write_text(f"{before}{BEGIN}{content}{END}{after}")


def run():
    """Entry point of the command."""
    command.run(_main, _define_flags)


if __name__ == "__main__":
    run()
