"""Inference or a training step of one of torchvision's detectors, in a process of `step_server`.

python pytorch_detectors.py inference|training NAME HEIGHT WIDTH
"""

import os
import sys

import torch
import torchvision
from step_server import serve

NMS_THRESHOLD = 1.0  # No proposal is dropped: random weights would propose too few others.
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
    """Detects or trains on one image."""
    height, width = map(int, sides)
    torch.manual_seed(0)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    detector = make(name, height, width).train(what == "training")

    def check(module, inputs, outputs):
        if len(outputs) != REGIONS[what]:
            raise RuntimeError(f"{len(outputs)} regions instead of {REGIONS[what]}: the work is not the same.")

    detector.roi_heads.box_head.register_forward_hook(check)
    weights = [weight for weight in detector.parameters() if weight.requires_grad]
    image = torch.rand(3, height, width)
    boxes = torch.tensor([[100.0, 100, 400, 300], [500, 50, 780, 550]])
    targets = [{"boxes": boxes, "labels": torch.tensor([4, 15])}]
    optimizer = torch.optim.SGD(weights, 1e-9, momentum=0.9)

    def train():
        optimizer.zero_grad(set_to_none=True)
        loss = sum(detector([image], targets).values())
        loss.backward()
        optimizer.step()
        return loss.item()

    @torch.inference_mode()
    def detect():
        return detector([image])

    serve(train if what == "training" else detect, units=1, parameters=sum(weight.numel() for weight in weights))


if __name__ == "__main__":
    main(*sys.argv[1:])
