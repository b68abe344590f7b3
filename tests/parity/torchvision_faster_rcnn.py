"""Writes weights and answers of a Faster R-CNN of torchvision, in a process without TensorFlow.

python torchvision_faster_rcnn.py align FOLDER

FOLDER/images.npz has images (H, W, 3) uint8, RGB. Afterwards FOLDER has resnet18.pth, the state dict of the backbone as
a classification net; weights.npz, the detector's other tensors; and answers.npz: of image i, `{i}_proposals` (R, 4),
and of all detections, `{i}_boxes` (D, 4), `{i}_scores` (D,) and `{i}_labels` (D,), where 0 would be the background.
"""

import pathlib
import sys

import numpy as np
import torch
import torchvision
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor

STRIDE, POOL_SIZE, NUM_CLASSES = 16, 14, 20
# Of the layers that the detector adds: logits that differ by a few units, deltas that move boxes by about a third.
GAINS = {
    "rpn.head.conv.0.0": 1.0,
    "rpn.head.cls_logits": 0.25,
    "rpn.head.bbox_pred": 0.05,
    "roi_heads.box_predictor.cls_score": 1.0,
    "roi_heads.box_predictor.bbox_pred": 0.5,
}


class RoIPool(torch.nn.Module):
    """Max pooling of regions, with the arguments that `FasterRCNN` gives its `box_roi_pool`."""

    def forward(self, features, proposals, image_shapes):
        return torchvision.ops.roi_pool(features["0"], proposals, POOL_SIZE, 1 / STRIDE)


def make(resnet, roi_pooling):
    """Cuts a classification net as "C4" detectors do: conv1 to layer3 for the image, layer4 for its regions."""
    layers = dict(resnet.named_children())
    names = ["conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3"]
    backbone = torch.nn.Sequential(*(layers[name] for name in names))
    backbone.out_channels = resnet.fc.in_features // 2
    detector = FasterRCNN(
        backbone,
        rpn_anchor_generator=AnchorGenerator(((64, 128, 256),), ((0.5, 1.0, 2.0),)),
        rpn_pre_nms_top_n_test=2000,
        rpn_post_nms_top_n_test=100,
        box_roi_pool=torchvision.ops.MultiScaleRoIAlign(["0"], POOL_SIZE, 2),
        box_head=torch.nn.Sequential(layers["layer4"], layers["avgpool"], torch.nn.Flatten()),
        box_predictor=FastRCNNPredictor(resnet.fc.in_features, NUM_CLASSES + 1),
        box_nms_thresh=0.3,
    )
    if roi_pooling == "max":
        detector.roi_heads.box_roi_pool = RoIPool()  # The constructor takes RoI align only.
    return detector.eval()


def randomize(net, random, gains=GAINS):
    """Gives layers statistics as trained nets have, and kernels that let images through."""
    for name, layer in net.named_modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            values = {
                "weight": random.uniform(0.5, 1, layer.num_features),
                "bias": random.normal(0, 0.1, layer.num_features),
                "running_mean": random.normal(0, 0.1, layer.num_features),
                "running_var": random.uniform(0.5, 1.5, layer.num_features),
            }
        elif isinstance(layer, torch.nn.Conv2d | torch.nn.Linear | torch.nn.ConvTranspose2d):
            shape = tuple(layer.weight.shape)
            values = {"weight": gains.get(name, 1) * random.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape)}
            if layer.bias is not None:
                values["bias"] = random.normal(0, 0.1, len(layer.bias))
        else:
            continue
        for key, value in values.items():
            getattr(layer, key).data.copy_(torch.from_numpy(value))


def answer(detector, image):
    """Returns the proposals and detections of an image, which is not resized."""
    proposals, sides = [], image.shape[:2]
    detector.transform.min_size, detector.transform.max_size = (min(sides),), max(sides)
    hook = detector.rpn.register_forward_hook(lambda module, inputs, outputs: proposals.extend(outputs[0]))
    with torch.no_grad():
        (detections,) = detector([torch.from_numpy(image.transpose(2, 0, 1) / np.float32(255))])
    hook.remove()
    return {"proposals": proposals[0], **detections}


def main(roi_pooling, folder):
    folder = pathlib.Path(folder)
    resnet = torchvision.models.resnet18()
    detector = make(resnet, roi_pooling)
    randomize(detector, np.random.default_rng(0))
    torch.save(resnet.state_dict(), folder / "resnet18.pth")
    tensors = detector.state_dict().items()
    np.savez(folder / "weights.npz", **{name: value for name, value in tensors if name.rpartition(".")[0] in GAINS})
    with np.load(folder / "images.npz") as images:
        answers = [answer(detector, image) for image in images.values()]
    values = {f"{i}_{name}": value for i, found in enumerate(answers) for name, value in found.items()}
    np.savez(folder / "answers.npz", **values)


if __name__ == "__main__":
    main(*sys.argv[1:])
