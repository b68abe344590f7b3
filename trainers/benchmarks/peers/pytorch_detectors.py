"""Inference or a training step of one of torchvision's detectors, in a process of `step_server`.

python pytorch_detectors.py inference|training NAME HEIGHT WIDTH
"""

import sys

import torch
import torchvision
from pytorch_detection import NMS_THRESHOLD, run

REGIONS = {"inference": 1000, "training": 512}


def make(name, height, width):
    """Returns a detector of torchvision; version 1 has frozen batch normalization, as with its published weights."""
    builder = getattr(torchvision.models.detection, name.replace("_rcnn", "rcnn"))
    detector = builder(
        weights=None, weights_backbone=None, min_size=height, max_size=width, rpn_nms_thresh=NMS_THRESHOLD
    )
    torch.nn.init.zeros_(detector.rpn.head.bbox_pred.weight)  # Proposals are anchors: random ones leave the image.
    if not name.endswith("_v2"):
        freeze(detector.backbone.body)
    return detector.to(memory_format=torch.channels_last)


def freeze(net):
    """Replaces the batch normalization of a net by torchvision's frozen one."""
    for name, child in net.named_children():
        if isinstance(child, torch.nn.BatchNorm2d):
            setattr(net, name, torchvision.ops.FrozenBatchNorm2d(child.num_features))
        else:
            freeze(child)


def main(what, name, *sides):
    """Detects or trains with one of torchvision's detectors."""
    height, width = map(int, sides)
    torch.manual_seed(0)
    detector = make(name, height, width)
    run(what, detector, REGIONS[what], height, width, weight_decay=0)


if __name__ == "__main__":
    main(*sys.argv[1:])
