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
from torchvision_faster_rcnn import randomize

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import torch_pyramids as narrow

GROWTH = 10.0  # of deltas of regions, in fifths: the best of random detections would be of a few pixels


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
    version = 2 if name.endswith("v2") else 1
    gains = {name: narrow.gain_of(name, version) for name, _ in detector.named_modules()}
    randomize(detector, np.random.default_rng(0), gains)
    detector.roi_heads.box_predictor.bbox_pred.bias.data.reshape(-1, 4)[:, 2:] += GROWTH
    save_file({name: tensor.contiguous() for name, tensor in detector.state_dict().items()}, folder / "net.safetensors")
    with np.load(folder / "images.npz") as images:
        answers = [answer(detector, image) for image in images.values()]
    np.savez(folder / "answers.npz", **{f"{i}_{key}": v.numpy() for i, a in enumerate(answers) for key, v in a.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
