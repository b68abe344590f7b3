"""Writes weights and answers of a Mask R-CNN of torchvision, in a process without TensorFlow.

python torchvision_mask_rcnn.py maskrcnn_resnet50_fpn SHORT_SIDE FOLDER

FOLDER/images.npz has images (H, W, 3) uint8, RGB, which the detector resizes to the short side, in pixels. Afterwards
FOLDER has net.safetensors, the detector's state dict; and answers.npz: of image i, `{i}_proposals` (R, 4), in pixels of
the image, and of all detections, `{i}_boxes` (D, 4), `{i}_scores` (D,), `{i}_labels` (D,), where 0 would be the
background, and `{i}_masks` (D, 1, H, W), probabilities.
"""

import pathlib
import sys

import numpy as np
import torch
from safetensors.torch import save_file
from torchvision.models import detection
from torchvision.models.detection.transform import resize_boxes

# Of the layers that predict, the most specific last, without and with normalization in the layers before them: so that
# logits differ by a few units, and deltas move boxes by about a third.
GAINS = {
    "cls_logits": (0.25, 0.25),
    "bbox_pred": (0.01, 0.05),
    "cls_score": (0.1, 1.0),
    "box_predictor.bbox_pred": (0.05, 0.5),
}
PYRAMID_GAIN = 0.7
GROWTH = 10.0  # of deltas of regions, in fifths: the best of random detections would be of a few pixels


def randomize(net, random, has_norm):
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
            gain = [1.0, *(gains[has_norm] for end, gains in GAINS.items() if name.endswith(end))][-1]
            gain *= PYRAMID_GAIN if "fpn" in name else 1
            values = {"weight": gain * random.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape)}
            if layer.bias is not None:
                values["bias"] = random.normal(0, 0.1, len(layer.bias))
            if name.endswith("box_predictor.bbox_pred"):
                values["bias"].reshape(-1, 4)[:, 2:] += GROWTH
        else:
            continue
        for key, value in values.items():
            getattr(layer, key).data.copy_(torch.from_numpy(value))


def answer(detector, image):
    """Returns the proposals and detections of an image."""
    found = {}

    def keep(module, inputs, outputs):
        found["proposals"] = resize_boxes(outputs[0][0], inputs[0].image_sizes[0], image.shape[:2])

    hook = detector.rpn.register_forward_hook(keep)
    with torch.no_grad():
        (detections,) = detector([torch.from_numpy(image.transpose(2, 0, 1) / np.float32(255))])
    hook.remove()
    return {**found, **detections}


def main(name, short_side, folder):
    folder = pathlib.Path(folder)
    sizes = {"min_size": int(short_side), "max_size": int(short_side) * 5 // 3}
    detector = getattr(detection, name)(weights=None, weights_backbone=None, **sizes).eval()
    randomize(detector, np.random.default_rng(0), name.endswith("v2"))
    save_file({name: tensor.contiguous() for name, tensor in detector.state_dict().items()}, folder / "net.safetensors")
    with np.load(folder / "images.npz") as images:
        answers = [answer(detector, image) for image in images.values()]
    np.savez(folder / "answers.npz", **{f"{i}_{key}": v.numpy() for i, a in enumerate(answers) for key, v in a.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
