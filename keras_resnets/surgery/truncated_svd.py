"""Fully connected layers of fewer weights, by truncated singular value decomposition."""

import copy
import numbers

import keras
import numpy as np

from keras_resnets.errors import ArgumentError
from keras_resnets.surgery.graph import check_functional, references


def truncated_svd(model, ranks):
    """Returns a copy of a model with dense layers of low rank (Fast R-CNN, arXiv 1504.08083, section 3.1).

    A layer's weights W (u x v) are about U S V^T, with the t largest singular values in S. In its place come two: the
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
            truncated before, and for a rank that cannot be.
    """
    check_functional(model)
    config = model.get_config()
    for name, rank in ranks.items():
        _check(model, name, rank)
    entries = []
    for entry in config["layers"]:
        if entry["name"] in ranks:
            entries.append(_split(entry, model.get_layer(entry["name"]), ranks[entry["name"]]))
        entries.append(entry)
    compressed = keras.Model.from_config({**config, "layers": entries})
    for layer in model.layers:
        if layer.name in ranks:
            first, second = _factors(layer.kernel.numpy(), ranks[layer.name])
            compressed.get_layer(_first_name(layer.name)).set_weights([first])
            compressed.get_layer(layer.name).set_weights([second, *layer.get_weights()[1:]])
        else:
            compressed.get_layer(layer.name).set_weights(layer.get_weights())
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
    if not isinstance(rank, numbers.Integral) or not 1 <= rank <= largest:
        raise ArgumentError(f"ranks has {rank!r} for {name!r}: it must be an integer from 1 to {largest}.")


def _first_name(name):
    return f"{name}_svd"


def _split(entry, layer, rank):
    """Makes a dense layer's configuration that of the second of its two layers, and returns that of the first."""
    name = _first_name(entry["name"])
    first = keras.layers.Dense(rank, use_bias=False, trainable=layer.trainable, dtype=layer.dtype_policy, name=name)
    inbound_nodes = copy.deepcopy(entry["inbound_nodes"])
    del entry["build_config"]  # The number of inputs is another.
    for index, node in enumerate(entry["inbound_nodes"]):
        for reference in references(node):
            reference[:] = [name, index, 0]
    return {**keras.saving.serialize_keras_object(first), "name": name, "inbound_nodes": inbound_nodes}


def _factors(kernel, rank):
    """Returns kernels (v, t) and (t, u) whose product is the best of rank t for a kernel (v, u), the transpose of W."""
    right, values, left = np.linalg.svd(kernel.astype(np.float32), full_matrices=False)
    return right[:, :rank] * values[:rank], left[:rank]
