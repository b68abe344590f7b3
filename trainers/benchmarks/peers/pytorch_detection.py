"""Inference or a training step of torchvision's Faster R-CNN with ResNet-50, in a process of `step_server`.

python pytorch_detection.py inference|training align|max HEIGHT WIDTH CLASSES REGIONS
"""

import os
import sys

import torch
import torchvision
from step_server import serve
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign, roi_pool

STRIDE, BINS = 16, 14
NMS_THRESHOLD = 1.0  # No proposal is dropped: random weights would propose too few others.


class RoIPool(torch.nn.Module):
    """Max pooling of regions, with the arguments that `FasterRCNN` gives its `box_roi_pool`."""

    def forward(self, features, proposals, image_shapes):
        return roi_pool(features["0"], proposals, BINS, 1 / STRIDE)


def make(pooling, height, width, classes, regions):
    """Returns a detector with conv1 to layer3 for the image, and layer4 for its regions ("C4")."""
    layers = dict(torchvision.models.resnet50(norm_layer=FrozenBatchNorm2d).named_children())
    names = ["conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3"]
    backbone = torch.nn.Sequential(*(layers[name] for name in names))
    backbone.out_channels = 1024
    detector = FasterRCNN(
        backbone,
        min_size=height,
        max_size=width,
        rpn_anchor_generator=AnchorGenerator(((128, 256, 512),), ((0.5, 1.0, 2.0),)),
        rpn_nms_thresh=NMS_THRESHOLD,
        rpn_post_nms_top_n_test=regions,
        box_batch_size_per_image=regions,
        box_roi_pool=MultiScaleRoIAlign(["0"], BINS, 2),
        box_head=torch.nn.Sequential(layers["layer4"], layers["avgpool"], torch.nn.Flatten()),
        box_predictor=FastRCNNPredictor(2048, classes + 1),
    )
    torch.nn.init.zeros_(detector.rpn.head.bbox_pred.weight)  # Proposals are anchors: random ones leave the image.
    if pooling == "max":
        detector.roi_heads.box_roi_pool = RoIPool()  # The constructor takes RoI align only.
    return detector.to(memory_format=torch.channels_last)


def check_regions(regions):
    """Returns the hook of the box head that makes sure of the number of regions."""

    def check(module, inputs, outputs):
        if len(outputs) != regions:
            raise RuntimeError(f"{len(outputs)} regions instead of {regions}: the work is not the same.")

    return check


def run(what, detector, regions, height, width, weight_decay):
    """Detects or trains on one image, with this number of regions, in a process of `step_server`."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    detector.train(what == "training")
    detector.roi_heads.box_head.register_forward_hook(check_regions(regions))
    weights = [weight for weight in detector.parameters() if weight.requires_grad]
    image = torch.rand(3, height, width)
    boxes = torch.tensor([[100.0, 100, 400, 300], [500, 50, 780, 550]])
    targets = [{"boxes": boxes, "labels": torch.tensor([4, 15])}]
    optimizer = torch.optim.SGD(weights, 1e-9, momentum=0.9, weight_decay=weight_decay)

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


def main(what, pooling, *numbers):
    """Detects or trains with the detector of `make`."""
    height, width, classes, regions = map(int, numbers)
    torch.manual_seed(0)
    detector = make(pooling, height, width, classes, regions)
    run(what, detector, regions, height, width, weight_decay=5e-4)


if __name__ == "__main__":
    main(*sys.argv[1:])
