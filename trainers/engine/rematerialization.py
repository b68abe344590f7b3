"""Rematerialization: the backward pass computes activations again (Chen et al., arXiv 1604.06174)."""

import math

import tensorflow as tf

from keras_resnets.errors import ArgumentError
from trainers.engine.repetition import is_chain, parts_of


def rematerialized(model):
    """Returns a function that computes `model(images, training=...)` and its gradients in less memory.

    The net is cut after residual units into segments, about as many as a segment has parts. Memory holds the inputs of
    all segments and the activations of one. Gradients are the same. Moving statistics and random generators are updated
    once.

    Args:
        model: a net.

    Raises:
        ArgumentError: the net is not functional, or has several inputs or outputs.
    """
    if not is_chain(model):
        raise ArgumentError("--remat takes functional nets with one input and one output: leave it out for this net.")
    parts = parts_of(model)
    length = math.isqrt(len(parts)) or 1
    segments = [parts[start : start + length] for start in range(0, len(parts), length)]

    def forward(images, training):
        for segment in segments:
            images = _call_again_for_gradients(segment, images, training)
        return images

    return forward


def _call_again_for_gradients(parts, inputs, training):
    """Calls parts as a pure function of their weights: the second call, for gradients, updates no state."""
    states = [[tf.convert_to_tensor(variable) for variable in part.state] for part in parts]
    first_updates = []

    @tf.recompute_grad
    def pure(inputs, trained):
        updates = []
        for part, weights, state in zip(parts, trained, states):
            inputs, values = part.function(inputs, weights, state, training)
            updates += [(variable, value) for variable, value in zip(part.state, values) if value is not None]
        if not first_updates:  # The second call, of the backward pass, computes the same values in another graph.
            first_updates.extend(updates)
        return inputs

    outputs = pure(inputs, [[tf.convert_to_tensor(variable) for variable in part.trained] for part in parts])
    for variable, value in first_updates:
        variable.assign(value)
    return outputs
