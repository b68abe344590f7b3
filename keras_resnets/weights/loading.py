"""Giving the arrays of a file to a model, by name, all or nothing."""

import dataclasses
import re

import numpy as np

from keras_resnets.errors import ArgumentError
from keras_resnets.weights.hdf5 import read_hdf5

CLASSIFIER = "predictions"
# keras.applications' batch normalization, which a weights file does not record.
KERAS_APPLICATIONS_EPSILON = 1.001e-5
CAFFE_MEAN = (123.68, 116.779, 103.939)  # RGB
# Layers without weights that tell nets apart whose tensors have the same names and shapes: plain nets have no
# additions, option A has paddings in its shortcuts, and a padding goes where the stride of a 3x3 convolution is.
STRUCTURE = re.compile(r".*_(add|pad)")
SHOWN = 3  # names in an error's list


def load_weights(model, path, new_classifier=False):
    """Loads weights by layer name; the model is unchanged when they do not fit.

    keras.applications' ResNet50/101/152 fit `ResNet50`, `ResNet101` and `ResNet152`: the biases of its convolutions
    are folded into the moving means and its other epsilon into the moving variances, both exactly. A file with a
    classifier also serves a model without one.

    Args:
        model: a model of this package.
        path: an .h5 file of keras.applications (weights or a whole model), or the .weights.h5 file that
            `model.save_weights` wrote for the same net.
        new_classifier: whether a classifier of other classes than the file's is left as it is.

    Raises:
        ArgumentError: (a ValueError) if the file cannot be read, or names what is missing, left over or of another
            shape.
    """
    arrays = _fold(_with_our_classifier(read_hdf5(path)), model)
    layers = {layer.name: layer for layer in model.layers if layer.weights or STRUCTURE.fullmatch(layer.name)}
    arrays = {name: values for name, values in arrays.items() if values or STRUCTURE.fullmatch(name)}
    if CLASSIFIER not in layers:
        arrays.pop(CLASSIFIER, None)
    elif new_classifier and _shapes(arrays.get(CLASSIFIER, [])) != _shapes(layers[CLASSIFIER].weights):
        arrays.pop(CLASSIFIER, None)
        layers.pop(CLASSIFIER)
    _check_fit(model, layers, arrays, path)
    for name, layer in layers.items():
        layer.set_weights(arrays[name])


def preprocessing_of(path, otherwise):
    """Returns the `Preprocessing` that a file's weights expect.

    Args:
        path: as for `load_weights`.
        otherwise: a `Preprocessing`, whose sizes are kept; of files that do not tell, all of it.

    Returns:
        For keras.applications' files, Caffe's: blue first, ImageNet's mean subtracted, not divided.
    """
    if not _has_biases(read_hdf5(path)):
        return otherwise
    return dataclasses.replace(otherwise, mean=CAFFE_MEAN, std=(1, 1, 1), bgr=True)


def _has_biases(arrays):
    """Whether the convolutions have biases, which only keras.applications' nets do."""
    return any(len(values) == 2 and values[0].ndim == 4 for values in arrays.values())


def _with_our_classifier(arrays):
    """Renames the only dense layer: published files call it "predictions", "probs" or "fc1000"."""
    dense = [name for name, values in arrays.items() if values and values[0].ndim == 2]
    if len(dense) == 1:
        arrays[CLASSIFIER] = arrays.pop(dense[0])
    return arrays


def _fold(arrays, model):
    """Removes keras.applications' convolution biases, and the difference of its epsilon to ours.

    gamma * (conv + bias - mean) / sqrt(variance + epsilon) + beta stays what it was when mean becomes mean - bias and
    variance becomes variance + (epsilon - ours). Other files, whose convolutions have no biases, stay as they are.
    """
    convolutions = {name: values for name, values in arrays.items() if values and values[0].ndim == 4}
    if not _has_biases(arrays):
        return arrays
    ours = {layer.name: layer for layer in model.layers}
    folded = {}
    for name, values in arrays.items():
        if name in convolutions:
            values = values[:1]
        elif len(values) == 4:
            gamma, beta, mean, variance = values
            _, *bias = convolutions.get(name.removesuffix("bn") + "conv", [None])
            epsilon = getattr(ours.get(name), "epsilon", KERAS_APPLICATIONS_EPSILON)
            values = [gamma, beta, mean - sum(bias), variance + np.float32(KERAS_APPLICATIONS_EPSILON - epsilon)]
        folded[name] = values
    return folded


def _check_fit(model, layers, arrays, path):
    missing = sorted(layers.keys() - arrays.keys())
    unexpected = sorted(arrays.keys() - layers.keys())
    misshapen = [
        f"{name} is {_shapes(arrays[name])}, not {_shapes(layer.weights)}"
        for name, layer in layers.items()
        if name in arrays and _shapes(arrays[name]) != _shapes(layer.weights)
    ]
    if not (missing or unexpected or misshapen):
        return
    problems = [
        f"{title}: {', '.join(rows[:SHOWN])}{f' and {len(rows) - SHOWN} more' if len(rows) > SHOWN else ''}"
        for title, rows in [("missing", missing), ("left over", unexpected), ("wrong shape", misshapen)]
        if rows
    ]
    remedy = _remedy(missing, unexpected, arrays, layers)
    raise ArgumentError(f"weights={str(path)!r} does not fit {model.name}: {'; '.join(problems)}. {remedy}")


def _shapes(values):
    return " ".join("x".join(map(str, value.shape)) for value in values)


def _remedy(missing, unexpected, arrays, layers):
    """Says what the file most likely is."""
    if missing == [CLASSIFIER] and not unexpected:
        return "The file has no classifier: pass include_top=False."
    depth = _depth(arrays)
    if depth is not None and depth != _depth(layers):
        return f"The file holds a {depth}-layer residual net: use the builder of that depth."
    if all(name.endswith("_2_pad") for name in missing + unexpected) and missing + unexpected:
        version = (
            "1 (stride in the 1x1): use the builder without" if missing else "1.5 (stride in the 3x3): use that with"
        )
        return f"The file holds a net of version {version} V1_5."
    classes = [value.shape[0] for value in arrays.get(CLASSIFIER, []) if value.ndim == 1]
    if not missing and not unexpected and classes and classes[0] != layers[CLASSIFIER].units:
        return f"The file has {classes[0]} classes: pass classes={classes[0]}, or include_top=False."
    return "Use the builder and the arguments that the file was made with."


def _depth(names):
    """Weight layers on the longest path: the branches' convolutions, the first one and the classifier."""
    in_branches = [name for name in names if re.fullmatch(r"conv\d+_block\d+_[1-9]_conv", name)]
    return len(in_branches) + 2 if in_branches else None
