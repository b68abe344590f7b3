"""Nets for inference: batch normalization folded into the layers before it, and weights of as few bits as they need."""

import collections

import keras
import numpy as np

from keras_resnets.layers.conv2d import Conv2D
from keras_resnets.surgery.graph import calls, check_functional, clone, copy_of, copy_weights

LINEAR = (Conv2D, keras.layers.Conv2D, keras.layers.Dense)  # no subclasses, which may do more


def fold_batch_norm(model: keras.Model) -> keras.Model:
    """Returns a copy of a net for inference: the scale and shift of batch normalization become part of another layer.

    Batch normalization of the last axis is folded into the convolution or dense layer before it, unless something else
    takes that layer's output. Batch normalization that follows a sum, as in pre-activation units, stays, and so does
    what is called with `training=True`. Layers that compute in 16 bits keep their weights in 16 bits.

    Args:
        model: a built functional `keras.Model`. Functional models among its layers are folded as well; a
            `keras.Sequential` among them is copied as it is.

    Returns:
        A `keras.Model` with the same inputs, outputs and names of layers, without the layers that were folded.

    Raises:
        ArgumentError: (a ValueError) if the model is not functional.
    """
    check_functional(model)
    found, outputs = calls(model)
    normalizations = _foldable(found, outputs)
    folded_names = {normalization.name for normalization in normalizations.values()}
    in_training = {call.layer.name for call in found if _is_in_training(call)}
    nested = {
        layer.name for layer in model.layers if isinstance(layer, keras.Function) and layer.name not in in_training
    }

    def replace(layer):
        if layer.name in nested:
            return fold_batch_norm(layer)
        return _for_inference(layer, layer.name in normalizations) if type(layer) in LINEAR else clone(layer)

    def call(layer, *args, **kwargs):
        return args[0] if layer.name in folded_names else layer(*args, **kwargs)

    folded = copy_of(model, replace, call)
    copy_weights(model, folded, skip={*normalizations, *nested})
    for name, normalization in normalizations.items():
        folded.get_layer(name).set_weights(_folded_weights(model.get_layer(name), normalization))
    return folded


def _foldable(found, outputs):
    """Returns the batch normalizations to fold, by the names of the layers that they are folded into."""
    producers = {id(call.outputs): call.layer for call in found}
    taken = [id(tensor) for call in found for tensor in call.inputs] + [id(tensor) for tensor in outputs]
    uses = collections.Counter(id(producers.get(tensor)) for tensor in taken)
    counts = collections.Counter(id(call.layer) for call in found)
    return {
        producer.name: call.layer
        for call in found
        if isinstance(call.layer, keras.layers.BatchNormalization) and call.args and not _is_in_training(call)
        for producer in [producers.get(id(call.args[0]))]
        if producer is not None
        and type(producer) in LINEAR
        and call.layer.axis in (-1, len(call.outputs.shape) - 1)
        and producer.activation is keras.activations.linear
        and uses[id(producer)] == counts[id(producer)] == counts[id(call.layer)] == 1
    }


def _is_in_training(call):
    """Returns whether a call of batch normalization, or of a model, says that it is in training."""
    return (dict(zip(("training", "mask"), call.args[1:])) | call.kwargs).get("training")


def _for_inference(layer, takes_bias):
    """Returns a linear layer with a bias if it takes one, and weights of no more bits than it computes in."""
    config = layer.get_config()
    config["use_bias"] |= takes_bias
    config["kernel_initializer"] = "zeros"  # Zeros are quick to draw, and replaced.
    config["dtype"] = layer.dtype_policy.name.removeprefix("mixed_")
    return type(layer).from_config(config)


def _folded_weights(layer, normalization):
    """Returns the kernel and bias that do what a linear layer and batch normalization with its statistics do."""
    kernel, bias = layer.kernel.numpy().astype(np.float64), 0.0
    if layer.use_bias:
        bias = layer.bias.numpy().astype(np.float64)
    mean, variance = (getattr(normalization, f"moving_{name}").numpy() for name in ("mean", "variance"))
    factor = 1 / np.sqrt(variance.astype(np.float64) + normalization.epsilon)
    if normalization.scale:
        factor = factor * normalization.gamma.numpy()
    shift = normalization.beta.numpy() if normalization.center else 0.0
    return [kernel * factor, (bias - mean) * factor + shift]
