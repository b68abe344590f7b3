"""Deep nets as chains of parts: parts of the same structure share a function, which is traced and optimized once.

TensorFlow traces, differentiates and optimizes a net operation by operation, so that the first step of 1,202 layers
takes minutes; but almost all residual units have the same structure. A part is two units, since of two sums of units
only one is kept for the backward pass: see `trainers.engine.recomputation`.
"""

import collections
import dataclasses
import json
from collections.abc import Callable

import keras
import tensorflow as tf

from keras_resnets.surgery.graph import calls
from trainers.engine.gradients import own_gradients

UNITS = 2  # residual units of a part
REPEATS = 8  # Parts of a structure that occurs less often are traced one by one: calls of functions take time as well.


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of a net.

    Attributes:
        trained: the `tf.Variable`s that are trained.
        state: the others: moving statistics, random generators and frozen weights.
        function: a function of inputs, `trained`, `state` and `training`: see `parts_of`.
        repeats: whether `function` is shared with other parts.
    """

    trained: list[tf.Variable]
    state: list[tf.Variable]
    function: Callable
    repeats: bool


def repeated(model: keras.Model) -> Callable[..., tf.Tensor]:
    """Returns a function of a graph that computes `model(images, training=...)`, or the model if no part repeats.

    Results, gradients and updates of variables are the same.

    Args:
        model: a net.
    """
    if not is_chain(model):
        return model
    parts = parts_of(model, _updating)
    if not any(part.repeats for part in parts):
        return model

    def forward(images, training):
        if not _on_one_replica():
            return model(images, training=training)
        for part in parts:
            images = part.function(images, part.trained, part.state, training)
        return images

    return forward


def is_chain(model: keras.Model) -> bool:
    """Returns whether `parts_of` takes a net: a functional one with one input and one output."""
    return isinstance(model, keras.Function) and len(model.inputs) == len(model.outputs) == 1


def parts_of(model: keras.Model, transform: Callable[[Callable], Callable] = lambda pure: pure) -> list[Part]:
    """Returns the parts of a net, which is one part if it cannot be cut.

    Args:
        model: a functional net with one input and one output.
        transform: makes a part's `function` from a pure function of the inputs, the values of `trained` and `state`,
            and `training`, which returns the outputs, and the new values of `state`, None for those that stay.
    """
    found, _ = calls(model)
    ends = _ends_of_units(found)[UNITS - 1 :: UNITS]
    if ends[-1:] != [len(found)]:
        ends.append(len(found))
    bounds = list(zip([0, *ends], ends))
    tensors = [model.input, *(found[end - 1].layer.output for end in ends[:-1]), model.output]
    try:
        segments = [keras.Model(start, end) for start, end in zip(tensors, tensors[1:])]
    except ValueError:  # `layer.output` is of the first call of a layer, which another net may have made.
        segments, bounds = [model], [(0, len(found))]
    structures = [_structure(found[start:end]) for start, end in bounds]
    counts, functions, parts = collections.Counter(structures), {}, []
    for segment, structure in zip(segments, structures):
        repeats = counts[structure] >= REPEATS
        if not repeats:
            function = transform(_pure(segment))
        elif structure in functions:
            function = functions[structure]
        else:
            function = functions[structure] = _shared(transform(_pure(segment)))
        trained, state = (
            [variable.value for variable in variables]
            for variables in (segment.trainable_variables, segment.non_trainable_variables)
        )
        parts.append(Part(trained, state, function, repeats))
    return parts


def _ends_of_units(found):
    """Returns how many calls there are up to the end of each unit, where every path from input to output passes."""
    last_uses = {id(used): i for i, call in enumerate(found) for used in (call.layer, *call.inputs)}
    ends, reach = [], last_uses[id(found[0].inputs[0])]  # the last call that uses what is there before this one
    for i, call in enumerate(found):
        reach = max(reach, last_uses[id(call.layer)])  # All calls of a layer are in one part.
        if reach <= i and call.layer.name.endswith("_out"):
            ends.append(i + 1)
        reach = max([reach, *(last_uses.get(id(output), i) for output in keras.tree.flatten(call.outputs))])
    return ends


def _pure(segment):
    def pure(inputs, trained, state, training):
        with own_gradients():
            outputs, values = segment.stateless_call(trained, state, inputs, training=training)
        return outputs, [None if value is before else value for before, value in zip(state, values)]

    return pure


def _updating(pure):
    """Returns the function of inputs and variables that updates the state, and returns the outputs."""

    def update(inputs, trained, state, training):
        outputs, values = pure(inputs, *([tf.convert_to_tensor(v) for v in vs] for vs in (trained, state)), training)
        for variable, value in zip(state, values):
            if value is not None:
                variable.assign(value)
        return outputs

    return update


def _shared(function):
    """Returns a function that is traced once."""
    # Inlined, each call would be optimized again.
    traced = tf.function(function, autograph=False, experimental_attributes={"_noinline": True})

    def call(*args):
        return (traced if _on_one_replica() else function)(*args)

    return call


def _on_one_replica():
    """Whether functions can be shared: layers may reduce over replicas, which a function of one replica cannot."""
    return tf.distribute.get_replica_context().num_replicas_in_sync == 1


def _structure(part):
    """Returns what calls compute: a string, or an object that equals no other where a string could not tell it."""
    first = part[0].inputs[0]
    positions = {id(first): (-1, 0)}
    for i, call in enumerate(part):
        positions |= {id(output): (i, j) for j, output in enumerate(keras.tree.flatten(call.outputs))}

    def described(argument):
        return {"tensor": positions[id(argument)]} if isinstance(argument, keras.KerasTensor) else argument

    structure = [list(first.shape), first.dtype]
    try:
        for call in part:
            if not _is_told_by_its_configuration(call.layer):
                return object()
            config = {key: value for key, value in call.layer.get_config().items() if key != "name"}
            trained = {id(variable) for variable in getattr(call.layer, "trainable_variables", ())}
            variables = [(list(v.shape), v.dtype, id(v) in trained) for v in getattr(call.layer, "variables", ())]
            arguments = keras.tree.map_structure(described, (call.args, call.kwargs))
            name = f"{type(call.layer).__module__}.{type(call.layer).__name__}"
            structure.append((name, config, variables, arguments))
        return json.dumps(structure, sort_keys=True)
    except (NotImplementedError, TypeError):  # a layer without a configuration, or an array among the arguments
        return object()


def _is_told_by_its_configuration(layer):
    """Whether a layer, and the functions and layers that it holds, are of Keras or of this package.

    The configuration of another one need not tell what it computes. That of a net has names of layers.
    """
    held = [type(layer), *(value for value in vars(layer).values() if callable(value))]
    packages = {value.__module__.partition(".")[0] for value in held}
    return packages <= {"keras", "keras_resnets"} and not isinstance(layer, (keras.layers.Lambda, keras.Model))
