"""Functional models: whether a model is one, and their configuration, as `get_config` returns it."""

import keras

from keras_resnets.errors import ArgumentError


def check_functional(model):
    """Raises ArgumentError for what is no functional `keras.Model`."""
    if not isinstance(model, keras.Model):
        raise ArgumentError(f"model={model!r} is no keras.Model: pass one.")
    if not isinstance(model, keras.Function):
        raise ArgumentError(
            f"model={model.name} is not functional: use a builder, or keras.Model(model.inputs, model.outputs) of a "
            "built keras.Sequential."
        )


def references(structure):
    """Yields every list [layer's name, node, place] in a model's configuration: what is taken as input or is output."""
    if isinstance(structure, dict):
        structure = list(structure.values())
    if isinstance(structure, list | tuple):
        if len(structure) == 3 and isinstance(structure[0], str) and isinstance(structure[1], int):
            yield structure
        else:
            for part in structure:
                yield from references(part)
