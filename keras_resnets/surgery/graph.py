"""Functional models as graphs: checks, their layers and calls, and copies with other layers."""

import dataclasses
import re
from collections.abc import Callable, Collection
from typing import Any

import keras

from keras_resnets.errors import ArgumentError


def check_functional(model: keras.Model) -> None:
    """Raises ArgumentError for anything but a functional `keras.Model`."""
    if not isinstance(model, keras.Model):
        raise ArgumentError(f"model={model!r} is not a keras.Model: pass one.")
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
        what = f"a nested model, {inside[0]}" if inside else f"{len(model.inputs)} inputs"
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

    They are what a detector or a segmentation net builds on: `keras.Model(net.input, keras_resnets.stage_outputs(net))`
    returns them all.

    Args:
        model: a net that a builder returned, with or without its classifier, or a copy of one.

    Returns:
        A dict from the layers' names, "conv1_out", "conv2_out", ..., to Keras tensors (B, h, w, C): the last map of
        each stage, before pooling. Maps never grow. In a pre-activation net they are sums before batch normalization
        and ReLU; `model.output` has the activated last map. A model of other names has none, and the dict is empty.
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


@dataclasses.dataclass(frozen=True)
class Call:
    """One call of a layer in a functional model.

    Attributes:
        layer: the layer, or operation of `keras.ops`.
        args, kwargs: the arguments, with Keras tensors of the shapes that this call has.
        outputs: the Keras tensor that the call returns, or a structure of them.
    """

    layer: keras.Operation
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: Any

    @property
    def inputs(self) -> list[keras.KerasTensor]:
        """The Keras tensors among the arguments."""
        leaves = keras.tree.flatten((self.args, self.kwargs))
        return [leaf for leaf in leaves if isinstance(leaf, keras.KerasTensor)]


class _Sketched(keras.Operation):
    """A stand-in for a layer that has no weights, and leaves the layer's own graph as it is."""

    def __init__(self, layer: keras.Operation):
        super().__init__(name=layer.name)
        self.layer = layer

    def compute_output_spec(self, *args, **kwargs):
        return self.layer.compute_output_spec(*args, **kwargs)


def calls(
    model: keras.Model, batch_shape: tuple[int | None, ...] | None = None
) -> tuple[list[Call], list[keras.KerasTensor]]:
    """Returns the calls of a functional model's layers, in the order of computation, and the outputs of the model.

    Args:
        model: a functional `keras.Model`.
        batch_shape: as in `copy_of`.
    """
    found: list[Call] = []

    def call(sketched, *args, **kwargs):
        found.append(Call(sketched.layer, args, kwargs, sketched(*args, **kwargs)))
        return found[-1].outputs

    return found, copy_of(model, _Sketched, call, batch_shape).outputs
