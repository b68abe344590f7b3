"""Files of torchvision's detectors with a feature pyramid, made from a detector of this package."""

import re

import numpy as np
from safetensors.numpy import save_file

from keras_resnets.surgery.graph import leaf_layers

STAGES = {"conv1_conv": "conv1", "conv1_bn": "bn1"}
HEADS = {
    "rpn_conv": "rpn.head.conv.0.0",
    "rpn_logits": "rpn.head.cls_logits",
    "rpn_deltas": "rpn.head.bbox_pred",
    "fc6": "roi_heads.box_head.fc6",
    "fc7": "roi_heads.box_head.fc7",
    "class_logits": "roi_heads.box_predictor.cls_score",
    "box_deltas": "roi_heads.box_predictor.bbox_pred",
    **{f"mask_conv{number}": f"roi_heads.mask_head.{number - 1}.0" for number in range(1, 5)},
    "mask_deconv": "roi_heads.mask_predictor.conv5_mask",
    "mask_logits": "roi_heads.mask_predictor.mask_fcn_logits",
}
PARTS = {"gamma": "weight", "kernel": "weight", "beta": "bias", "moving_variance": "running_var"}


def _module(layer):
    """Returns torchvision's name of a layer of `faster_rcnn_resnet50_fpn` or `mask_rcnn_resnet50_fpn`."""
    if layer in HEADS:
        return HEADS[layer]
    if match := re.fullmatch(r"fpn_(lateral|output)(\d)", layer):
        kind = {"lateral": "inner", "output": "layer"}[match[1]]
        return f"backbone.fpn.{kind}_blocks.{int(match[2]) - 2}.0"
    if layer in STAGES:
        return f"backbone.body.{STAGES[layer]}"
    stage, block, number, kind = re.fullmatch(r"conv(\d)_block(\d+)_(\d)_(conv|bn)", layer).groups()
    kind = f"downsample.{int(kind == 'bn')}" if number == "0" else f"{kind}{number}"
    return f"backbone.body.layer{int(stage) - 1}.{int(block) - 1}.{kind}"


def _in_their_layout(layer, value):
    if value.ndim == 4:
        return value.transpose(3, 2, 0, 1)
    if layer == "fc6" and value.ndim == 2:
        return value.reshape(7, 7, -1, value.shape[-1]).transpose(3, 2, 0, 1).reshape(value.shape[::-1])
    return value.T


def write_detector(path, model):
    """Writes the weights of such a detector of any width as torchvision's state_dict, .safetensors.

    Its frozen batch normalization has the epsilon of both libraries, 1e-5.
    """
    tensors = {}
    for layer in leaf_layers(model):
        for weight in layer.weights:
            value = _in_their_layout(layer.name, np.asarray(weight))
            tensors[f"{_module(layer.name)}.{PARTS.get(weight.name, weight.name.replace('moving', 'running'))}"] = value
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, path)
