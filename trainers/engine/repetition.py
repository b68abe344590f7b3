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

from keras_resnets.surgery.graph import unit_outputs
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
    if not isinstance(model, keras.Function) or len(model.inputs) > 1 or len(model.outputs) > 1:
        return model
    parts = parts_of(model, _updating)
    if not any(part.repeats for part in parts):
        return model

    def forward(images, training):
        if not _one_replica():
            return model(images, training=training)
        for part in parts:
            images = part.function(images, part.trained, part.state, training)
        return images

    return forward


def parts_of(model: keras.Model, transform: Callable[[Callable], Callable] = lambda pure: pure) -> list[Part]:
    """Returns the parts of a net.

    Args:
        model: a net of this package, with one input and one output.
        transform: makes a part's `function` from a pure function of the inputs, the values of `trained` and `state`,
            and `training`, which returns the outputs, and the new values of `state`.
    """
    units = [*unit_outputs(model).values()]
    ends = [*units[UNITS - 1 : -1 : UNITS], model.output]
    segments = [keras.Model(start, end) for start, end in zip([model.input, *ends], ends)]
    structures = [_structure(segment) for segment in segments]
    counts, functions, parts = collections.Counter(structures), {}, []
    for segment, structure in zip(segments, structures):
        repeats = counts[structure] >= REPEATS
        if not repeats or structure not in functions:
            function = transform(_pure(segment))
            functions[structure] = _shared(function) if repeats else function
        trained, state = (
            [variable.value for variable in variables]
            for variables in (segment.trainable_variables, segment.non_trainable_variables)
        )
        parts.append(Part(trained, state, functions[structure], repeats))
    return parts


def _pure(segment):
    def pure(inputs, trained, state, training):
        with own_gradients():
            return segment.stateless_call(trained, state, inputs, training=training)

    return pure


def _updating(pure):
    """Returns the function of inputs and variables that updates the state, and returns the outputs."""

    def update(inputs, trained, state, training):
        outputs, values = pure(inputs, *([tf.convert_to_tensor(v) for v in vs] for vs in (trained, state)), training)
        for variable, value in zip(state, values):
            variable.assign(value)
        return outputs

    return update


def _shared(function):
    """Returns a function that is traced once."""
    # Inlined, each call would be optimized again.
    traced = tf.function(function, autograph=False, experimental_attributes={"_noinline": True})

    def call(*args):
        # Layers may reduce over replicas, which is not possible within a function of one replica.
        return (traced if _one_replica() else function)(*args)

    return call


def _one_replica():
    return tf.distribute.get_replica_context().num_replicas_in_sync == 1


def _structure(segment):
    """Returns what a segment computes as a string: its configuration, with numbers in place of names."""
    structure = json.dumps(segment.get_config())
    for number, operation in enumerate([segment, *segment.operations]):
        structure = structure.replace(f'"{operation.name}"', f'"{number}"')
    return structure
