"""Rematerialization: the backward pass computes activations again (Chen et al., arXiv 1604.06174)."""

import math

import tensorflow as tf

from trainers.engine.repetition import call_parts, parts_of


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
            images = call_parts(segment, images, training, tf.recompute_grad)
        return images

    return forward
