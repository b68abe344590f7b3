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
        trained: the weights that are trained.
        state: the other variables: moving statistics, random generators and frozen weights.
        function: the part as a pure function of its inputs, the values of `trained` and `state`, and `training`. It
            returns the outputs, and the new values of `state`.
        repeats: whether `function` is shared with other parts.
    """

    trained: list[keras.Variable]
    state: list[keras.Variable]
    function: Callable[..., tuple[tf.Tensor, list[tf.Tensor]]]
    repeats: bool


def repeated(model: keras.Model) -> Callable[..., tf.Tensor]:
    """Returns a function of a graph that computes `model(images, training=...)`, or the model if no part repeats.

    Results, gradients and updates of variables are the same.

    Args:
        model: a net.
    """
    if len(model.inputs) > 1 or len(model.outputs) > 1 or not unit_outputs(model):
        return model
    parts = parts_of(model)
    if not any(part.repeats for part in parts):
        return model

    def forward(images, training):
        for part in parts:
            images = call_parts([part], images, training)
        return images

    return forward


def parts_of(model: keras.Model) -> list[Part]:
    """Returns the parts of a net of this package with one input and one output."""
    units = [*unit_outputs(model).values()]
    ends = [*units[UNITS - 1 : -1 : UNITS], model.output]
    segments = [keras.Model(start, end) for start, end in zip([model.input, *ends], ends)]
    structures = [_structure(segment) for segment in segments]
    counts, functions, parts = collections.Counter(structures), {}, []
    for segment, structure in zip(segments, structures):
        repeats = counts[structure] >= REPEATS
        if not repeats or structure not in functions:
            functions[structure] = _shared(_pure(segment)) if repeats else _pure(segment)
        parts.append(
            Part(segment.trainable_variables, segment.non_trainable_variables, functions[structure], repeats)
        )
    return parts


def call_parts(parts: list[Part], inputs: tf.Tensor, training: bool, wrapper: Callable = lambda pure: pure):
    """Calls parts one after the other, and updates their state once.

    Args:
        parts: the parts.
        inputs: of the first part.
        training: whether to train, as in Keras.
        wrapper: what is done with the pure function of all parts, such as `tf.recompute_grad`.

    Returns:
        The outputs of the last part.
    """

    def pure(inputs, trained, states):
        new_states = []
        for part, weights, state in zip(parts, trained, states):
            inputs, state = part.function(inputs, weights, state, training)
            new_states.append(state)
        return inputs, new_states

    trained = [[tf.convert_to_tensor(variable.value) for variable in part.trained] for part in parts]
    states = [[tf.convert_to_tensor(variable.value) for variable in part.state] for part in parts]
    outputs, states = wrapper(pure)(inputs, trained, states)
    for part, values in zip(parts, states):
        for variable, value in zip(part.state, values):
            variable.assign(value)
    return outputs


def _pure(segment):
    def function(inputs, trained, state, training):
        with own_gradients():
            outputs, state = segment.stateless_call(trained, state, inputs, training=training)
        return outputs, [tf.stop_gradient(value) for value in state]

    return function


def _shared(function):
    """Returns the function of a graph, which is traced once."""
    # Inlined, each call would be optimized again.
    traced = tf.function(function, autograph=False, experimental_attributes={"_noinline": True})

    def call(*args):
        # Layers may reduce over replicas, which is not possible within a function of one replica.
        return (traced if tf.distribute.get_replica_context().num_replicas_in_sync == 1 else function)(*args)

    return call


def _structure(segment):
    """Returns what a segment computes as a string: its configuration, with numbers in place of names."""
    structure = json.dumps(segment.get_config())
    for number, operation in enumerate([segment, *segment.operations]):
        structure = structure.replace(f'"{operation.name}"', f'"{number}"')
    return structure
