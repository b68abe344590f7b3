"""Rematerialization: the backward pass computes activations again (Chen et al., arXiv 1604.06174)."""

import math

import keras
import tensorflow as tf

from keras_resnets.surgery.graph import unit_outputs


def rematerialized(model):
    """Returns a function that computes `model(images, training=...)` and its gradients in less memory.

    The net is cut after residual units into about sqrt(units) segments. Memory holds the inputs of all segments and the
    activations of one. Gradients are the same. Moving statistics and random generators are updated once.

    Args:
        model: a net of this package.
    """
    segments = _segments(model)

    def forward(images, training):
        for segment in segments:
            images = _call_again_for_gradients(segment, images, training)
        return images

    return forward


def _segments(model):
    units = [*unit_outputs(model).values()]
    length = math.isqrt(len(units)) or 1
    ends = [*units[length - 1 : -1 : length], model.output]
    return [keras.Model(start, end) for start, end in zip([model.input, *ends], ends)]


def _call_again_for_gradients(segment, inputs, training):
    """Calls a segment as a pure function of its variables: the second call, for gradients, updates none of them."""
    variables = segment.trainable_variables
    state = segment.non_trainable_variables

    @tf.recompute_grad
    def pure(inputs, values, state_values):
        return segment.stateless_call(values, state_values, inputs, training=training)

    outputs, new_state = pure(
        inputs, [tf.convert_to_tensor(v.value) for v in variables], [tf.convert_to_tensor(v.value) for v in state]
    )
    for variable, value in zip(state, new_state):
        variable.assign(value)
    return outputs
