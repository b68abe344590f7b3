"""Translating the files of torchvision, timm and Hugging Face: their names and layouts of tensors.

A family translates a module's name ("layer1.0.conv2") to that of our layer ("conv2_block1_2_conv"). Kernels are
(output, input, height, width) in PyTorch and (height, width, input, output) here. The order of a layer's tensors here
is kernel, bias, or gamma, beta, mean, variance.
"""

import functools
import re
from typing import Any

from keras_resnets.normalization import INCEPTION, TORCH
from keras_resnets.weights.family import CLASSIFIER, NOTHING, Family
from keras_resnets.weights.torch_checkpoints import COUNTERS

PARTS = ("weight", "bias", "running_mean", "running_var")
# Counters, and heads for training only.
IGNORED = re.compile(rf"{COUNTERS.pattern}|(aux1|aux2|AuxLogits)\..*")
DENSE = ("fc6", "fc7", CLASSIFIER)
FC6_MAP = 7  # side of the map that VGG's first dense layer sees
# The padding before a 3x3 convolution tells which convolution of a bottleneck has the stride.
STRIDE_IN_3X3 = r".*_block\d+_2_pad"


def _parse(pattern, module):
    match = re.fullmatch(pattern, module)
    if match is None:
        raise LookupError(module)
    return match.groups()


def resnet(module):
    """torchvision's and timm's ResNet, version 1.5."""
    fixed = {"conv1": "conv1_conv", "bn1": "conv1_bn", "fc": CLASSIFIER}
    if module in fixed:
        return fixed[module]
    stage, block, rest = _parse(r"layer(\d)\.(\d+)\.(.+)", module)
    unit = f"conv{int(stage) + 1}_block{int(block) + 1}"
    downsample = {"downsample.0": "0_conv", "downsample.1": "0_bn"}
    if rest in downsample:
        return f"{unit}_{downsample[rest]}"
    kind, index = _parse(r"(conv|bn)(\d)", rest)
    return f"{unit}_{index}_{kind}"


def _hugging_face_resnet(module):
    """Hugging Face's ResNet, version 1.5; the names of a net with a classifier begin with "resnet."."""
    module = module.removeprefix("resnet.")
    kinds = {"convolution": "conv", "normalization": "bn"}
    if module == "classifier.1":
        return CLASSIFIER
    owner, _, kind = module.rpartition(".")
    if owner == "embedder.embedder":
        return f"conv1_{kinds[kind]}"
    stage, block, rest = _parse(r"encoder\.stages\.(\d)\.layers\.(\d+)\.(.+)", owner)
    unit = f"conv{int(stage) + 2}_block{int(block) + 1}"
    if rest == "shortcut":
        return f"{unit}_0_{kinds[kind]}"
    (index,) = _parse(r"layer\.(\d)", rest)
    return f"{unit}_{int(index) + 1}_{kinds[kind]}"


def _resnet_v2(module):
    """timm's ResNetV2 with batch normalization, which is numbered like the convolution after it."""
    fixed = {"stem.conv": "conv1_conv", "norm": "post_bn", "head.fc": CLASSIFIER}
    if module in fixed:
        return fixed[module]
    stage, block, rest = _parse(r"stages\.(\d)\.blocks\.(\d+)\.(.+)", module)
    unit = f"conv{int(stage) + 2}_block{int(block) + 1}"
    if rest == "downsample.conv":
        return f"{unit}_0_conv"
    kind, index = _parse(r"(conv|norm)(\d)", rest)
    if kind == "norm":
        return f"{unit}_preact_bn" if index == "1" else f"{unit}_{int(index) - 1}_bn"
    return f"{unit}_{index}_conv"


def _inception(blocks, first_branch):
    """Returns the translation for Inception nets, whose branches and steps are numbered as ours.

    Args:
        blocks: our names of blocks and single convolutions, by theirs.
        first_branch: the number of their first branch.
    """

    def rename(module):
        owner, _, kind = module.rpartition(".")
        if module in blocks:
            return blocks[module]
        if owner in blocks:
            return f"{blocks[owner]}_{'linear_conv' if kind == 'conv2d' else kind}"
        block, branch, step, side = _parse(r"(.+)\.branch(\d)(?:[._](\d)([ab]?))?", owner)
        step = int(step or 0) + 1
        return f"{blocks[block]}_branch{int(branch) + 1 - first_branch}_{step}{side or ''}_{kind}"

    return rename


GOOGLENET = {"conv1": "conv1_1", "conv2": "conv2_1", "conv3": "conv2_2", "fc": CLASSIFIER} | {
    f"inception{stage}{letter}": f"conv{stage}_block{i}"
    for stage, letters in [(3, "ab"), (4, "abcde"), (5, "ab")]
    for i, letter in enumerate(letters, 1)
}
INCEPTION_V4 = {
    "features.0": "conv1_1",
    "features.1": "conv1_2",
    "features.2": "conv1_3",
    "features.3.conv": "conv2_block1_branch2_1",
    "features.4": "conv2_block2",
    "features.5.conv": "conv3_block1_branch1_1",
    **{f"features.{5 + i}": f"conv3_block{i + 1}" for i in range(1, 5)},
    **{f"features.{9 + i}": f"conv4_block{i}" for i in range(1, 9)},
    **{f"features.{17 + i}": f"conv5_block{i}" for i in range(1, 5)},
    "last_linear": CLASSIFIER,
}
INCEPTION_RESNET_V2 = {
    "conv2d_1a": "conv1_1",
    "conv2d_2a": "conv1_2",
    "conv2d_2b": "conv1_3",
    "conv2d_3b": "conv2_1",
    "conv2d_4a": "conv2_2",
    "mixed_5b": "conv3_block2",
    **{f"repeat.{i}": f"conv3_block{i + 3}" for i in range(10)},
    "mixed_6a": "conv4_block1",
    **{f"repeat_1.{i}": f"conv4_block{i + 2}" for i in range(20)},
    "mixed_7a": "conv5_block1",
    **{f"repeat_2.{i}": f"conv5_block{i + 2}" for i in range(9)},
    "block8": "conv5_block11",
    "conv2d_7b": "conv5_end",
    "classif": CLASSIFIER,
}


def _vgg(modules):
    """torchvision's and timm's VGG, whose numbers of convolutions count ReLUs and poolings as well."""
    places = sorted(int(module[9:]) for module in modules if re.fullmatch(r"features\.\d+", module))
    names, stack, index = {}, 1, 0
    for place, previous in zip(places, [0, *places]):
        stack, index = (stack + 1, 1) if place - previous > 2 else (stack, index + 1)
        names[f"features.{place}"] = f"conv{stack}_{index}_conv"
    torchvision = {"classifier.0": "fc6", "classifier.3": "fc7", "classifier.6": CLASSIFIER}
    timm = {"pre_logits.fc1": "fc6", "pre_logits.fc2": "fc7", "head.fc": CLASSIFIER}
    return names | torchvision | timm


def translate(state_dict, _, names_of):
    """Returns the arrays of our layers. Modules and tensors without a translation keep their names."""
    modules: dict[str, dict[str, Any]] = {}
    arrays = {}
    for name, array in state_dict.items():
        module, _, part = name.rpartition(".")
        if part in PARTS:
            modules.setdefault(module, {})[part] = array
        elif not IGNORED.fullmatch(name):
            arrays[name] = [array]
    modules = {module: parts for module, parts in modules.items() if not IGNORED.fullmatch(f"{module}.weight")}
    names = names_of(modules)
    for module, parts in modules.items():
        layer = names.get(module, module)
        arrays[layer] = [_in_our_layout(layer, parts[part]) for part in PARTS if part in parts]
        if re.fullmatch(r"conv[3-9]_block1_3_conv", layer):
            arrays[layer.replace("3_conv", "2_pad")] = []
    return arrays


def _in_our_layout(layer, array):
    if layer == "fc6" and array.ndim == 2 and array.shape[1] % FC6_MAP**2 == 0:
        array = array.reshape(len(array), -1, FC6_MAP, FC6_MAP)
    if array.ndim == 4:
        kernel = array.transpose(2, 3, 1, 0)
        return kernel.reshape(-1, kernel.shape[-1]) if layer in DENSE else kernel
    return array.T if array.ndim == 2 else array


def one_by_one(rename):
    """Returns a function that translates the names of all modules, from one that translates a single name."""

    def names_of(modules):
        names = {}
        for module in modules:
            try:
                names[module] = rename(module)
            except LookupError:
                pass
        return names

    return names_of


def _has(name):
    return lambda state_dict: name in state_dict


def _is_vgg(state_dict):
    """Returns whether the first stack is two convolutions without batch normalization, unlike AlexNet or vgg16_bn."""
    return {"features.0.weight", "features.2.weight"} <= state_dict.keys() and "features.1.weight" not in state_dict


def _family(title, matches, names_of, normalization, nets, structure=NOTHING):
    return Family(title, matches, functools.partial(translate, names_of=names_of), normalization, nets, structure)


RESNETS = {21: "ResNet18", 37: "ResNet34", 54: "ResNet50V1_5", 105: "ResNet101V1_5", 156: "ResNet152V1_5"}
FAMILIES = [
    # timm's files have the same names; a few of them expect another mean and standard deviation than torchvision's:
    # `published_files` and a config.json beside a file tell.
    _family(
        "torchvision's ResNet",
        _has("layer1.0.conv1.weight"),
        one_by_one(resnet),
        TORCH,
        RESNETS,
        STRIDE_IN_3X3,
    ),
    _family(
        "Hugging Face's ResNet",
        lambda names: bool(
            {"resnet.embedder.embedder.convolution.weight", "embedder.embedder.convolution.weight"} & names.keys()
        ),
        one_by_one(_hugging_face_resnet),
        TORCH,
        RESNETS,
        STRIDE_IN_3X3,
    ),
    _family(
        "timm's ResNetV2",
        _has("stages.0.blocks.0.norm1.weight"),
        one_by_one(_resnet_v2),
        INCEPTION,
        {21: "ResNet18V2", 37: "ResNet34V2", 54: "ResNet50V2", 105: "ResNet101V2", 156: "ResNet152V2"},
        STRIDE_IN_3X3,
    ),
    # torchvision's GoogLeNet converts the normalization of torchvision's other nets to this one (`transform_input`).
    _family(
        "torchvision's GoogLeNet",
        _has("inception3a.branch1.conv.weight"),
        one_by_one(_inception(GOOGLENET, first_branch=1)),
        INCEPTION,
        {58: "GoogLeNet"},
    ),
    _family(
        "torchvision's or timm's Inception-v3, whose average pooling counts the zeros around a map: this package has "
        "that of keras.applications, which does not",
        _has("Mixed_5b.branch1x1.conv.weight"),
        one_by_one(_inception({}, first_branch=0)),
        INCEPTION,
        {},
    ),
    _family(
        "timm's Inception-v4",
        _has("features.6.branch0.conv.weight"),
        one_by_one(_inception(INCEPTION_V4, first_branch=0)),
        INCEPTION,
        {150: "InceptionV4"},
    ),
    _family(
        "timm's Inception-ResNet-v2",
        _has("repeat.0.branch0.conv.weight"),
        one_by_one(_inception(INCEPTION_RESNET_V2, first_branch=0)),
        INCEPTION,
        {245: 'InceptionResNetV2(layout="slim")'},
    ),
    _family("torchvision's VGG", _is_vgg, _vgg, TORCH, {13: "VGG16", 16: "VGG16", 19: "VGG19"}),
]
