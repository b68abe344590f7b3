"""Translating torchvision's detectors with a feature pyramid: Faster R-CNN and Mask R-CNN, and their versions 2."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_resnets.errors import ArgumentError
from keras_resnets.normalization import TORCH
from keras_resnets.weights.family import Family
from keras_resnets.weights.torch_names import STRIDE_IN_3X3, one_by_one, resnet, translate

BODY = "backbone.body."
CLASS_LOGITS = "roi_heads.box_predictor.cls_score.weight"  # (classes with the background, features)
COUNTER = "num_batches_tracked"  # of batch normalization that is not frozen
EPSILON = 1e-5  # of this package's residual nets, and of torchvision's FrozenBatchNorm2d by default
# Patterns of modules, and our layers; a number n counts from 0 there, and from `first` here. Older files lack the ".0"
# of a convolution, and call the convolutions of the mask head "mask_fcn1" ....
PATTERNS = [
    (r"backbone\.fpn\.inner_blocks\.(\d)(?:\.0)?", "fpn_lateral{n}", 2),
    (r"backbone\.fpn\.inner_blocks\.(\d)\.1", "fpn_lateral{n}_bn", 2),
    (r"backbone\.fpn\.layer_blocks\.(\d)(?:\.0)?", "fpn_output{n}", 2),
    (r"backbone\.fpn\.layer_blocks\.(\d)\.1", "fpn_output{n}_bn", 2),
    (r"roi_heads\.box_head\.([0-3])\.0", "head_conv{n}", 1),
    (r"roi_heads\.box_head\.([0-3])\.1", "head_conv{n}_bn", 1),
    (r"roi_heads\.mask_head\.([0-3])\.0", "mask_conv{n}", 1),
    (r"roi_heads\.mask_head\.mask_fcn(\d)", "mask_conv{n}", 0),
    (r"roi_heads\.mask_head\.([0-3])\.1", "mask_conv{n}_bn", 1),
]
NAMES = {
    "rpn.head.conv": "rpn_conv",
    "rpn.head.conv.0.0": "rpn_conv",
    "rpn.head.conv.1.0": "rpn_conv2",
    "rpn.head.cls_logits": "rpn_logits",
    "rpn.head.bbox_pred": "rpn_deltas",
    "roi_heads.box_head.fc6": "fc6",
    "roi_heads.box_head.fc7": "fc7",
    "roi_heads.box_head.5": "fc6",
    "roi_heads.box_predictor.cls_score": "class_logits",
    "roi_heads.box_predictor.bbox_pred": "box_deltas",
    "roi_heads.mask_predictor.conv5_mask": "mask_deconv",
    "roi_heads.mask_predictor.mask_fcn_logits": "mask_logits",
}
NETS = {
    68: "faster_rcnn_resnet50_fpn",
    72: "faster_rcnn_resnet50_fpn_v2",
    74: "mask_rcnn_resnet50_fpn",
    78: "mask_rcnn_resnet50_fpn_v2",
}


def _name(module):
    if module.startswith(BODY):
        return resnet(module.removeprefix(BODY))
    for pattern, name, first in PATTERNS:
        match = re.fullmatch(pattern, module)
        if match:
            return name.format(n=int(match[1]) + first)
    return NAMES[module]


def _matches(state_dict):
    return "rpn.head.cls_logits.weight" in state_dict and any(name.startswith(BODY) for name in state_dict)


def _translate(state_dict, layers):
    return translate(state_dict, layers, one_by_one(_name))


def is_frozen(state_dict: Mapping[str, Any]) -> bool:
    """Returns whether a detector's batch normalization is frozen: it has no counter then."""
    return f"{BODY}bn1.{COUNTER}" not in state_dict


def with_our_epsilon(state_dict: Mapping[str, np.ndarray], epsilon: float) -> Mapping[str, np.ndarray]:
    """Returns the tensors of a frozen detector for nets whose batch normalization has an epsilon of 1e-5.

    gamma / sqrt(variance + epsilon) is the same as gamma' / sqrt(variance + 1e-5) with another gamma'.

    Args:
        state_dict: arrays by torchvision's names.
        epsilon: of the detector's `FrozenBatchNorm2d`, 0 or more.

    Raises:
        ArgumentError: for another epsilon, or a variance that cannot be with it.
    """
    if not (isinstance(epsilon, (int, float)) and 0 <= epsilon < np.inf):
        raise ArgumentError(f"frozen_batch_norm_epsilon={epsilon!r} must be a number from 0 on, such as 0 or 1e-5.")
    scaled = dict(state_dict)
    for name, variance in state_dict.items():
        if not (name.startswith(BODY) and name.endswith(".running_var")):
            continue
        denominator = np.asarray(variance, "float64") + epsilon
        if np.min(denominator) <= 0:
            raise ArgumentError(
                f"{name} has a variance of {np.min(variance):g}, which cannot be with "
                f"frozen_batch_norm_epsilon={epsilon:g}: pass that of the training, {EPSILON:g} in most."
            )
        gamma = name.replace("running_var", "weight")
        scale = np.sqrt((denominator - epsilon + EPSILON) / denominator)
        scaled[gamma] = (state_dict[gamma] * scale).astype("float32")
    return scaled


FAMILY = Family(
    "torchvision's detectors with a feature pyramid",
    _matches,
    _translate,
    TORCH,
    {kernels: f'create_detector("{name}")' for kernels, name in NETS.items()},
    STRIDE_IN_3X3,
    is_detector=True,
)
