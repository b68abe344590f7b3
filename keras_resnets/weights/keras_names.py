"""Translating the files of keras.applications: their names of layers, and their batch normalization."""

import re
from collections.abc import Mapping

import numpy as np

from keras_resnets.normalization import CAFFE, INCEPTION, TORCH
from keras_resnets.weights.family import CLASSIFIER, NOTHING, Arrays, Family

AUXILIARY = re.compile(r"auxiliary_.*")  # layers that are needed in training only
EPSILON = 1.001e-5  # in the ResNets of keras.applications; files do not record it
OUR_EPSILON = 1e-5
# Some nets have tensors of the same names and shapes. These layers without weights tell them apart: plain nets have no
# additions, option A has paddings in its shortcuts, a 3x3 convolution with a stride has a padding before it, and the
# orders of activations differ in their ReLUs.
STRUCTURE = r".*_(add|pad|scale|dropout|gated|preact_relu)|.*_block\d+_\d_relu"


def our_classifier(arrays: Mapping[str, list[np.ndarray]]) -> Arrays:
    """Renames the only dense layer: published files call it "predictions", "probs" or "fc1000"."""
    dense = [name for name, values in arrays.items() if values and values[0].ndim == 2]
    return {CLASSIFIER if [name] == dense else name: values for name, values in arrays.items()}


def _resnet(arrays, _):
    """Folds the convolutions' biases and the different epsilon into the moving statistics, both exactly.

    gamma * (conv + bias - mean) / sqrt(variance + epsilon) + beta stays what it was when mean becomes mean - bias and
    variance becomes variance + (epsilon - ours).
    """
    folded = {}
    for name, values in arrays.items():
        if name.endswith("_conv"):
            values = values[:1]
        elif len(values) == 4:
            gamma, beta, mean, variance = values
            _, *bias = arrays.get(f"{name.removesuffix('bn')}conv", [None])
            values = [gamma, beta, mean - sum(bias), variance + np.float32(EPSILON - OUR_EPSILON)]
        folded[name] = values
    return our_classifier(folded if _names_structure(arrays) else folded | _structure(arrays))


def _names_structure(arrays):
    return any(re.fullmatch(STRUCTURE, name) for name in arrays)


def _structure(arrays):
    """Returns the layers without weights of keras.applications' ResNets, which all have the same in a block."""
    blocks = {name.removesuffix("_1_conv") for name in arrays if name.endswith("_1_conv")}
    names = ["conv1_pad", "pool1_pad"]
    names += [f"{block}_{layer}" for block in blocks for layer in ("1_relu", "2_relu", "add")]
    return {name: [] for name in names}


def _vgg(arrays, _):
    names = {name: re.sub(r"block(\d)_conv(\d)", r"conv\1_\2_conv", name) for name in arrays}
    names |= {"fc1": "fc6", "fc2": "fc7"}
    return {names[name]: values for name, values in arrays.items()}


def _in_order(names):
    """Returns names in the order in which their layers were made: numbers are compared as numbers."""
    return sorted(names, key=lambda name: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)])


def _inception(arrays, layers):
    """Translates the numbers that Keras gave to layers as they were made: ours are made in the same order.

    A batch normalization without gamma becomes one with gamma 1.
    """
    blocks = {"35": ("conv3", 2), "17": ("conv4", 1), "8": ("conv5", 1)}
    names = {"conv_7b": "conv5_end_conv", "conv_7b_bn": "conv5_end_bn"}
    for name in arrays:
        if match := re.fullmatch(r"block(35|17|8)_(\d+)_conv", name):
            stage, before = blocks[match[1]]
            names[name] = f"{stage}_block{int(match[2]) + before}_linear_conv"
    for numbered, kind in [(r"conv2d(_\d+)?", "conv"), (r"batch_normalization(_\d+)?", "bn")]:
        theirs = [name for name, values in arrays.items() if values and re.fullmatch(numbered, name)]
        made = [layer.name for layer in layers if layer.name.endswith(f"_{kind}")]
        made = [name for name in made if name not in names.values() and not AUXILIARY.fullmatch(name)]
        if len(theirs) == len(made):
            names |= zip(_in_order(theirs), _in_order(made))
    with_gamma = {layer.name for layer in layers if getattr(layer, "scale", False)}
    named = {names.get(name, name): values for name, values in arrays.items()}
    for name in with_gamma & named.keys():
        if len(named[name]) == 3:
            named[name] = [np.ones_like(named[name][0]), *named[name]]
    return our_classifier(named)


def _has_biases(arrays):
    """Returns whether the first convolution has a bias, which it never has in our nets with batch normalization."""
    return len(arrays.get("conv1_conv", [])) == 2


FAMILIES = [
    Family(
        "KerasHub's ResNet, which is not read: give weights of torchvision or timm",
        lambda arrays: "stack0_block0_1_conv" in arrays,
        lambda arrays, _: dict(arrays),
        TORCH,
        {},
        NOTHING,
    ),
    Family(
        "transformers' ResNet for TensorFlow, which is not read: give the model.safetensors of the same repository",
        lambda arrays: {"convolution", "normalization"} <= arrays.keys(),
        lambda arrays, _: dict(arrays),
        TORCH,
        {},
        NOTHING,
    ),
    Family(
        "keras.applications' ResNetV2, which has its strides elsewhere and is not in this package",
        lambda arrays: _has_biases(arrays) and "post_bn" in arrays,
        _resnet,
        INCEPTION,
        {},
        STRUCTURE,
    ),
    Family(
        "keras.applications' ResNet",
        lambda arrays: _has_biases(arrays) and "conv1_bn" in arrays,
        _resnet,
        CAFFE,
        {54: "ResNet50", 105: "ResNet101", 156: "ResNet152"},
        STRUCTURE,
    ),
    Family(
        "keras.applications' VGG",
        lambda arrays: "block5_conv3" in arrays,
        _vgg,
        CAFFE,
        {16: "VGG16", 19: "VGG19"},
        NOTHING,
    ),
    Family(
        "keras.applications' Inception",
        lambda arrays: "conv_7b" in arrays or "mixed10" in arrays,
        _inception,
        INCEPTION,
        {95: "InceptionV3", 245: 'InceptionResNetV2(layout="slim")'},
        NOTHING,
    ),
]
