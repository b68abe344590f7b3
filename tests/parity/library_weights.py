"""Writes what torchvision and timm state about their published weights, in a process without TensorFlow.

python library_weights.py FILE.json

The file has the lists "timm" and "torchvision", a dict for each file of weights, and "detectors", one for each of
torchvision's detectors; and "tensors": for every architecture in timm's modules of the nets, a text that tells its
tensors' names and shapes.
"""

import hashlib
import itertools
import json
import math
import sys

import timm
import torch
import torchvision
from timm.data import resolve_data_config

MODULES = ("resnet", "resnetv2", "vgg", "inception_v3", "inception_v4", "inception_resnet_v2")
DETECTORS = tuple(f"{kind}_resnet50_fpn{version}" for kind in ("fasterrcnn", "maskrcnn") for version in ("", "_v2"))
NETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "vgg16", "vgg19", "googlenet")


def timm_rows():
    """Yields a dict for each of timm's pretrained nets in `MODULES`."""
    names = [timm.list_models(module=module, pretrained=True, include_tags=True) for module in MODULES]
    for name in itertools.chain(*names):
        config = timm.get_pretrained_cfg(name)
        data = resolve_data_config(pretrained_cfg=config.to_dict(), use_test_size=True)  # as validate.py does
        yield {
            "tag": name,
            "repository": config.hf_hub_id,
            "file": config.hf_hub_filename,
            "size": data["input_size"][1:],
            "crop": data["crop_pct"],
            "crop_mode": data["crop_mode"],
            "pillow_filter": data["interpolation"],
            "mean": data["mean"],
            "std": data["std"],
            "classes": config.num_classes,
            "license": config.license,
            "address": config.url,
        }


def torchvision_rows():
    """Yields a dict for each of torchvision's files of `NETS`."""
    for net in NETS:
        for weights in torchvision.models.get_model_weights(net):
            transform, top1 = weights.transforms(), weights.meta["_metrics"]["ImageNet-1K"]["acc@1"]
            mean, std = transform.mean, transform.std
            if net == "googlenet":
                mean, std = after_transform_input(mean, std)
            yield {
                "net": net,
                "tag": weights.name,
                "file": weights.url,
                "size": transform.crop_size,
                "short_side": transform.resize_size,
                "pillow_filter": transform.interpolation.value,
                "mean": mean,
                "std": std,
                "top1": None if math.isnan(top1) else top1,
            }


def detector_rows():
    """Yields a dict for each of torchvision's detectors of `DETECTORS` with its newest weights for COCO."""
    for detector in DETECTORS:
        weights = torchvision.models.get_model_weights(detector).DEFAULT
        metrics = weights.meta["_metrics"]["COCO-val2017"]
        yield {
            "net": detector,
            "file": weights.url,
            "box_ap": metrics["box_map"],
            "mask_ap": metrics.get("mask_map"),
            "labels": weights.meta["categories"],  # the background first
        }


def after_transform_input(mean, std):
    """Returns the mean and deviation with which GoogLeNet's first layer sees images that were normalized with these."""
    net = torchvision.models.GoogLeNet(transform_input=True, init_weights=False)
    black, white = ((value - torch.tensor(mean)) / torch.tensor(std) for value in (0.0, 1.0))
    black, white = (net._transform_input(color.reshape(1, 3, 1, 1)).flatten() for color in (black, white))
    std = 1 / (white - black)
    return (-black * std).tolist(), std.tolist()


def tensors(architecture):
    """Returns the digest of the names and shapes of an architecture's tensors."""
    with torch.device("meta"):
        shapes = [(name, list(value.shape)) for name, value in timm.create_model(architecture).state_dict().items()]
    return hashlib.sha256(json.dumps(sorted(shapes)).encode()).hexdigest()


if __name__ == "__main__":
    content = {
        "timm": [*timm_rows()],
        "torchvision": [*torchvision_rows()],
        "detectors": [*detector_rows()],
        "tensors": {name: tensors(name) for module in MODULES for name in timm.list_models(module=module)},
    }
    with open(sys.argv[1], "w") as file:
        json.dump(content, file)
