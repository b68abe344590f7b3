"""Giving arrays to a model by layer name, all or nothing."""

import re
from typing import TYPE_CHECKING

import keras
import numpy as np

from keras_resnets.errors import ArgumentError
from keras_resnets.surgery.graph import leaf_layers
from keras_resnets.weights.family import CLASSIFIER, OF_CLASSES
from keras_resnets.weights.keras_names import AUXILIARY

if TYPE_CHECKING:
    from keras_resnets.weights.loading import Weights

SHOWN = 3  # names in an error's list
UNKNOWN = (
    "Either the builder's arguments are not the file's, or the file is damaged, or its net is not in this package."
)
LOGITS = "class_logits"  # the layer of detectors that has the classes
HEAD = re.compile(rf"{CLASSIFIER}|fc\d(_dropout)?")  # layers of the classifier only


def fit(model: keras.Model, weights: "Weights", new_classifier: bool) -> list[str]:
    """Gives a model the arrays of a file; the model is unchanged when they do not fit.

    Args:
        model: a model of this package.
        weights: the `keras_resnets.weights.loading.Weights` of the file.
        new_classifier: whether to leave a classifier, or a layer of an auxiliary head, as it is if the file has none of
            its size.

    Returns:
        The names of the layers that were left as they are.

    Raises:
        ArgumentError: naming what is missing, left over or of another shape, and what to do.
    """
    structure = weights.structure
    layers = {layer.name: layer for layer in leaf_layers(model) if layer.weights or structure.fullmatch(layer.name)}
    needless = [AUXILIARY] if CLASSIFIER in layers else [AUXILIARY, HEAD]
    arrays = {
        name: _as_numbers(weights, name, values)
        for name, values in weights.arrays(model).items()
        if (values or structure.fullmatch(name))
        and (name in layers or not any(pattern.fullmatch(name) for pattern in needless))
    }
    left = []
    if new_classifier:
        for name in [name for name in layers if name in OF_CLASSES or AUXILIARY.fullmatch(name)]:
            if _shapes(arrays.get(name, [])) != _shapes(layers[name].weights):
                arrays.pop(name, None)
                layers.pop(name)
                left.append(name)
    _check(model, layers, arrays, weights)
    for name, layer in layers.items():
        layer.set_weights(arrays[name])
    return left


def _as_numbers(weights, name, values):
    try:
        if any(value.dtype == object for value in values):
            raise TypeError
        numbers = [value.astype("float32") for value in values]
    except (TypeError, ValueError):
        raise ArgumentError(f"{weights.source} does not fit: {name} does not hold numbers.") from None
    if not all(np.isfinite(value).all() for value in numbers):
        raise ArgumentError(
            f"{weights.source} cannot be used: {name} holds values that are not finite. Give weights of a training "
            "that has not diverged; if it is a layer of the classifier, pass include_top=False."
        )
    return numbers


def _check(model, layers, arrays, weights):
    missing = sorted(layers.keys() - arrays.keys())
    unexpected = sorted(arrays.keys() - layers.keys())
    misshapen = [name for name in layers if name in arrays and _shapes(arrays[name]) != _shapes(layers[name].weights)]
    if not (missing or unexpected or misshapen):
        return
    shapes = [f"{name} is {_shapes(arrays[name])}, not {_shapes(layers[name].weights)}" for name in misshapen]
    problems = [
        f"{title}: {', '.join(rows[:SHOWN])}{f' and {len(rows) - SHOWN} more' if len(rows) > SHOWN else ''}"
        for title, rows in [("missing", missing), ("left over", unexpected), ("of another shape", shapes)]
        if rows
    ]
    if missing or unexpected:
        remedy = _remedy_of_names(model, missing, unexpected, arrays, layers, weights)
    else:
        remedy = _remedy_of_shapes(misshapen, arrays, layers)
    raise ArgumentError(f"{weights.source} does not fit {model.name}. {remedy} Layers {'; '.join(problems)}.")


def _shapes(values):
    return " ".join("x".join(map(str, value.shape)) for value in values)


def _remedy_of_shapes(misshapen, arrays, layers):
    """Returns what to do about layers with the right names, but other shapes."""
    kernels = {name: (arrays[name][0].shape, tuple(layers[name].weights[0].shape)) for name in misshapen}
    if misshapen == [CLASSIFIER] and kernels[CLASSIFIER][0] != kernels[CLASSIFIER][1]:
        classes = kernels[CLASSIFIER][0][-1]
        return f"The file has {classes} classes: pass classes={classes}, or include_top=False."
    if LOGITS in kernels and set(misshapen) <= set(OF_CLASSES):
        classes = kernels[LOGITS][0][-1] - 1  # without the background
        return f"The file has {classes} classes: pass num_classes={classes}."
    if "fc6" in kernels:
        return (
            "Its first dense layer is for images of another size: pass the file's input_shape (of published weights, "
            "224x224), or include_top=False."
        )
    for name, (theirs, ours) in kernels.items():
        if name in ("conv1_conv", "conv1_1_conv") and theirs[-2] != ours[-2]:
            return f"The file is for images of {theirs[-2]} channels: pass an input_shape with as many."
    return UNKNOWN


def _remedy_of_names(model, missing, unexpected, arrays, layers, weights):
    """Returns what to do about a file with other layers: which net it most likely holds."""
    if missing == [CLASSIFIER] and not unexpected:
        return "The file has no classifier: pass include_top=False."
    if not unexpected and all(AUXILIARY.fullmatch(name) for name in missing):
        return "The file has no auxiliary head: load it into the net without one."
    if weights.family is not None:
        if weights.family.is_detector != (LOGITS in layers):
            return _remedy_of_kinds(weights.family)
        builder = weights.family.builder(weights.kernels)
        if builder is not None and _letters(builder) == _letters(model.name):
            return f"The file holds weights of {weights.family.title}. {UNKNOWN}"
        return f"The file holds weights of {weights.family.title}{f': use {builder}' if builder else ''}."
    depth = _depth(arrays)
    if depth is not None and depth != _depth(layers):
        return f"The file holds a {depth}-layer residual net: use the builder of that depth."
    if all(name.endswith("_2_pad") for name in missing + unexpected):
        version = (
            "1 (stride in the 1x1): use the builder without" if missing else "1.5 (stride in the 3x3): use that with"
        )
        return f"The file holds a net of version {version} V1_5."
    return "Use the builder and the arguments that the file was made with."


def _remedy_of_kinds(family):
    """Returns what to do about a detector's file for a classification net, and the reverse."""
    if family.is_detector:
        return (
            f"The file holds a detector, of {family.title}: pass it to keras_resnets.create_detector. This is a "
            "classification net."
        )
    return (
        f"The file holds a classification net, of {family.title}: pass it to keras_resnets.FasterRCNN as weights=, "
        "with the name of that net as backbone=. This is a detector."
    )


def _letters(name):
    """Returns the common form of a builder's call and a net's name: "resnet50v15"."""
    return re.sub(r"layout|[^a-z0-9]", "", name.lower())


def _depth(names):
    """Returns the number of weight layers on the longest path, or None if the net is not residual."""
    in_branches = [name for name in names if re.fullmatch(r"conv\d+_block\d+_[1-9]_conv", name)]
    return len(in_branches) + 2 if in_branches else None
