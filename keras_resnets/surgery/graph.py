"""Functional models: whether a model is one, and their configuration, as `get_config` returns it."""

import keras

from keras_resnets.errors import ArgumentError


def _check_flat(model):
    check_functional(model)
    inside = [layer.name for layer in model.layers if isinstance(layer, keras.Model)]
    if inside or len(model.inputs) > 1:
        what = f"the model {inside[0]} inside of it" if inside else f"{len(model.inputs)} inputs"
        raise ArgumentError(f"model={model.name} has {what}: pass a net of layers only, with one input.")


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


def leaf_layers(model):
    """Returns the layers of a model, and in place of each model among them, that one's: a flat list."""
    layers = []
    for layer in model.layers:
        layers += leaf_layers(layer) if isinstance(layer, keras.Model) else [layer]
    return layers


def batch_normalizations(model):
    """Returns the layers of batch normalization among `leaf_layers`."""
    return [layer for layer in leaf_layers(model) if isinstance(layer, keras.layers.BatchNormalization)]
