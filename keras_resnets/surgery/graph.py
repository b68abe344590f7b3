"""Functional models as graphs: checks, their layers and connections, and copies with other layers."""

import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

import keras

from keras_resnets.errors import ArgumentError


def check_functional(model: keras.Model) -> None:
    """Raises ArgumentError for anything but a functional `keras.Model`."""
    if not isinstance(model, keras.Model):
        raise ArgumentError(f"model={model!r} is no keras.Model: pass one.")
    if not isinstance(model, keras.Function):
        raise ArgumentError(
            f"model={model.name} is not functional: use a builder, or keras.Model(model.inputs, model.outputs) of a "
            "built keras.Sequential."
        )


def check_flat(model: keras.Model) -> None:
    """Raises ArgumentError for anything but a functional model of layers only, with one input."""
    check_functional(model)
    inside = [layer.name for layer in model.layers if isinstance(layer, keras.Model)]
    if inside or len(model.inputs) > 1:
        what = f"the model {inside[0]} inside of it" if inside else f"{len(model.inputs)} inputs"
        raise ArgumentError(f"model={model.name} has {what}: pass a net of layers only, with one input.")


def leaf_layers(model: keras.Model) -> list[keras.Layer]:
    """Returns all layers of a model in one list; a model among them is replaced by its own layers."""
    layers = []
    for layer in model.layers:
        layers += leaf_layers(layer) if isinstance(layer, keras.Model) else [layer]
    return layers


def batch_normalizations(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """Returns the layers of batch normalization among `leaf_layers`."""
    return [layer for layer in leaf_layers(model) if isinstance(layer, keras.layers.BatchNormalization)]


def unit_outputs(model: keras.Model) -> dict[str, keras.KerasTensor]:
    """Returns the outputs of the blocks and stages of a net of this package, by the names of the layers.

    A layer whose name ends in `_out` ends a block, such as `conv2_block1_out`, or a stage: see `stage_outputs`.
    """
    return {layer.name: layer.output for layer in model.layers if layer.name.endswith("_out")}


def stage_outputs(model: keras.Model) -> dict[str, keras.KerasTensor]:
    """Returns the outputs of the stages of a net of this package, from the input to the output.

    They are what the next stage is given, and what a detector or a segmentation net builds on:
    `keras.Model(net.input, keras_resnets.stage_outputs(net))` returns them all.

    Args:
        model: a net that a builder returned, with or without its classifier, or a copy of one.

    Returns:
        A dict from the layers' names, "conv1_out", "conv2_out", ..., to Keras tensors (B, h, w, C): each map has the
        size of the one before, or half of it. A model of other names has none, and the dict is empty.
    """
    return {name: output for name, output in unit_outputs(model).items() if re.fullmatch(r"conv\d+_out", name)}


def clone(layer: keras.Operation) -> keras.Operation:
    """Returns a new layer, or operation of `keras.ops`, of the same configuration and without weights."""
    return type(layer).from_config(layer.get_config())


def copy_of(
    model: keras.Model,
    replace: Callable[[keras.Operation], keras.Operation] = clone,
    call: Callable[..., Any] = lambda layer, *args, **kwargs: layer(*args, **kwargs),
    batch_shape: tuple[int | None, ...] | None = None,
) -> keras.Model:
    """Returns a copy of a model with other layers, or other calls of layers. The model stays as it is.

    All changes of built nets use this function. The copy is not compiled, and its weights are new: see `copy_weights`.

    Args:
        model: a functional `keras.Model`.
        replace: function from a layer to the copy's layer, called once for each. The default is `clone`.
        call: function from the copy's layer and the arguments of a call to the outputs of that call.
        batch_shape: shape of the copy's inputs, if it differs from the model's.
    """
    uncompiled = keras.Model(model.input, model.output, name=model.name)
    entries = {id(layer.output): layer for layer in model.layers if isinstance(layer, keras.layers.InputLayer)}

    def new_input(tensor):
        changed = {} if batch_shape is None else {"batch_shape": batch_shape}
        return keras.layers.InputLayer(**{**entries[id(tensor)].get_config(), **changed}).output

    inputs = keras.tree.map_structure(new_input, model.input)
    return keras.models.clone_model(uncompiled, inputs, clone_function=replace, call_function=call)


def copy_weights(source: keras.Model, target: keras.Model, skip: Collection[str] = ()) -> None:
    """Gives the layers of `target` the weights of the layers of `source` by name, but those that `skip` names."""
    for layer in target.layers:
        if layer.weights and layer.name not in skip:
            layer.set_weights(source.get_layer(layer.name).get_weights())


class _Sketched(keras.Operation):
    """A stand-in for a layer, without weights, whose outputs have the structure of the layer's."""

    def __init__(self, layer: keras.Operation):
        super().__init__(name=layer.name)
        self.layer = layer

    def compute_output_spec(self, *args, **kwargs):
        return keras.tree.map_structure(lambda x: keras.KerasTensor(x.shape, x.dtype), self.layer.output)


def connections(model: keras.Model) -> list[tuple[keras.Operation | None, keras.Operation | None]]:
    """Returns the edges of a functional model's graph.

    Returns:
        A pair (producer, consumer) of layers for each tensor that a call of the consumer takes. The producer is None
        for inputs of the model, the consumer is None for its outputs.
    """
    producers: dict[int, keras.Operation] = {}
    pairs: list[tuple[keras.Operation | None, keras.Operation | None]] = []

    def call(sketched, *args, **kwargs):
        pairs.extend((producers.get(id(tensor)), sketched.layer) for tensor in _tensors((args, kwargs)))
        outputs = sketched(*args, **kwargs)
        producers.update((id(tensor), sketched.layer) for tensor in _tensors(outputs))
        return outputs

    sketch = copy_of(model, _Sketched, call)
    return pairs + [(producers.get(id(tensor)), None) for tensor in sketch.outputs]


def _tensors(structure: Any) -> Iterator[keras.KerasTensor]:
    return (leaf for leaf in keras.tree.flatten(structure) if isinstance(leaf, keras.KerasTensor))
