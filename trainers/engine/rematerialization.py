"""Rematerialization: the backward pass computes activations again (Chen et al., arXiv 1604.06174)."""

import math

import tensorflow as tf

from trainers.engine.repetition import parts_of


def rematerialized(model):
    """Returns a function that computes `model(images, training=...)` and its gradients in less memory.

    The net is cut after residual units into segments, about as many as a segment has parts. Memory holds the inputs of
    all segments and the activations of one. Gradients are the same. Moving statistics and random generators are updated
    once.

    Args:
        model: a net of this package.
    """
    parts = parts_of(model)
    length = math.isqrt(len(parts)) or 1
    segments = [parts[start : start + length] for start in range(0, len(parts), length)]

    def forward(images, training):
        for segment in segments:
            images = _call_again_for_gradients(segment, images, training)
        return images

    return forward


def _call_again_for_gradients(parts, inputs, training):
    """Calls parts as a pure function of their variables: the second call, for gradients, updates none of them."""

    @tf.recompute_grad
    def pure(inputs, trained, states):
        new_states = []
        for part, weights, state in zip(parts, trained, states):
            inputs, state = part.function(inputs, weights, state, training)
            new_states.append(state)
        return inputs, new_states

    trained = [[tf.convert_to_tensor(variable) for variable in part.trained] for part in parts]
    states = [[tf.convert_to_tensor(variable) for variable in part.state] for part in parts]
    outputs, states = pure(inputs, trained, states)
    for part, values in zip(parts, states):
        for variable, value in zip(part.state, values):
            variable.assign(value)
    return outputs
