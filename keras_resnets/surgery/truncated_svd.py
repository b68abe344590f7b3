"""Fully connected layers of fewer weights, by truncated singular value decomposition."""

from collections.abc import Mapping

import keras
import numpy as np

from keras_resnets.errors import ArgumentError
from keras_resnets.surgery.graph import check_functional, copy_of, copy_weights
from keras_resnets.values import integer_in


def truncated_svd(model: keras.Model, ranks: Mapping[str, int]) -> keras.Model:
    """Returns a copy of a model with dense layers of low rank (Fast R-CNN, arXiv 1504.08083, section 3.1).

    A layer's weights W (u x v) are about U S V^T, with the t largest singular values in S. Two layers replace it: the
    first, `{name}_svd`, has the weights S V^T, no bias and no activation; the second, which keeps the layer's name, has
    the weights U, the bias and the activation. They have t * (u + v) weights instead of u * v.

    Example: `truncated_svd(head, {"fc6": 1024, "fc7": 256})` is the paper's choice for VGG-16.

    Args:
        model: a functional `keras.Model`; it stays as it is.
        ranks: dict of t by the names of `keras.layers.Dense` layers, t from 1 to the smaller of u and v.

    Returns:
        A `keras.Model` with the same inputs and outputs.

    Raises:
        ArgumentError: (a ValueError) for a model that is not functional, for a layer that is unknown, not dense or
            truncated before, and for an impossible rank.
    """
    check_functional(model)
    for name, rank in ranks.items():
        _check(model, name, rank)
    firsts = {name: _first(model.get_layer(name), rank) for name, rank in ranks.items()}

    def call(layer, *args, **kwargs):
        return layer(firsts[layer.name](*args)) if layer.name in firsts else layer(*args, **kwargs)

    compressed = copy_of(model, call=call)
    copy_weights(model, compressed, skip={*firsts, *map(_first_name, firsts)})
    for name, first in firsts.items():
        kernel, *bias = model.get_layer(name).get_weights()
        first_kernel, second_kernel = _factors(kernel, ranks[name])
        first.set_weights([first_kernel])
        compressed.get_layer(name).set_weights([second_kernel, *bias])
    return compressed


def _check(model, name, rank):
    layers = {layer.name: layer for layer in model.layers}
    dense = [layer.name for layer in model.layers if type(layer) is keras.layers.Dense]
    if name not in dense:
        what = f"a {type(layers[name]).__name__}" if name in layers else "unknown"
        known = f"use {', '.join(dense)}" if dense else "there are no fully connected layers here, leave it out"
        raise ArgumentError(f"ranks has {name!r}: {rank}, which is {what}: {known}.")
    if _first_name(name) in layers:
        raise ArgumentError(f"ranks has {name!r}, which was truncated before: use the model from before.")
    largest = min(layers[name].kernel.shape)
    if not integer_in(1, largest).contain(rank):
        raise ArgumentError(f"ranks has {rank!r} for {name!r}: it must be an integer from 1 to {largest}.")


def _first_name(name):
    return f"{name}_svd"


def _first(layer, rank):
    """Returns the first of the two layers that replace a dense layer."""
    return keras.layers.Dense(
        rank, use_bias=False, trainable=layer.trainable, dtype=layer.dtype_policy, name=_first_name(layer.name)
    )


def _factors(kernel, rank):
    """Returns kernels (v, t) and (t, u) whose product is the best of rank t for a kernel (v, u), the transpose of W."""
    right, values, left = np.linalg.svd(kernel.astype(np.float32), full_matrices=False)
    return right[:, :rank] * values[:rank], left[:rank]
