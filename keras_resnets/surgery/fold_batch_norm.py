"""Nets for inference: batch normalization folded into the layers before it, and weights of as few bits as they need."""

import collections

import keras
import numpy as np

from keras_resnets.surgery.graph import references

FOLDABLE = ("Conv2D", "Dense")


def fold(model):
    """Returns a copy of a net for inference: what scales and shifts a linear layer's output becomes part of the layer.

    Batch normalization is folded into the convolution or dense layer before it, unless something else takes that
    layer's output; that of pre-activation units, which follows a sum, stays. Layers that compute in 16 bits keep their
    weights in 16 bits.

    Args:
        model: a built functional `keras.Model`.

    Returns:
        A `keras.Model` with the same inputs, outputs and names of layers, without the layers that were folded.
    """
    config = model.get_config()
    normalizations = _foldable(config)
    config["layers"] = [entry for entry in config["layers"] if entry["name"] not in normalizations.values()]
    for entry in config["layers"]:
        _change(entry, entry["name"] in normalizations)
    convolutions = {normalization: convolution for convolution, normalization in normalizations.items()}
    for reference in references(config):
        reference[0] = convolutions.get(reference[0], reference[0])
    folded = keras.Model.from_config(config)
    for layer in folded.layers:
        original = model.get_layer(layer.name)
        if layer.name in normalizations:
            layer.set_weights(_folded_weights(original, model.get_layer(normalizations[layer.name])))
        else:
            layer.set_weights(original.get_weights())
    return folded


def _foldable(config):
    """Returns the names of layers that batch normalization can be folded into, with the batch normalization's."""
    layers = {entry["name"]: entry for entry in config["layers"]}
    consumers = collections.Counter(name for name, _, _ in references(config))
    pairs = {}
    for name, entry in layers.items():
        if entry["class_name"] == "BatchNormalization":
            ((source, _, _),) = references(entry["inbound_nodes"])
            is_linear = layers[source]["class_name"] in FOLDABLE and layers[source]["config"]["activation"] == "linear"
            if is_linear and consumers[source] == 1:
                pairs[source] = name
    return pairs


def _change(entry, takes_bias):
    """Makes a layer's configuration that of its folded copy."""
    config = entry["config"]
    if entry["class_name"] in FOLDABLE:
        config["use_bias"] |= takes_bias
        config["kernel_initializer"] = "zeros"  # That is quick.
        policy = config["dtype"]["config"]["name"]
        config["dtype"] = policy.removeprefix("mixed_")


def _folded_weights(layer, normalization):
    """Returns the kernel and bias that say what a linear layer and batch normalization with its statistics say."""
    kernel, bias = layer.kernel.numpy().astype(np.float64), 0.0
    if layer.use_bias:
        bias = layer.bias.numpy().astype(np.float64)
    mean, variance = (getattr(normalization, f"moving_{name}").numpy() for name in ("mean", "variance"))
    factor = 1 / np.sqrt(variance.astype(np.float64) + normalization.epsilon)
    if normalization.scale:
        factor = factor * normalization.gamma.numpy()
    shift = normalization.beta.numpy() if normalization.center else 0.0
    return [kernel * factor, (bias - mean) * factor + shift]
