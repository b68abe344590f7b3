"""Pools regions with torchvision when it is asked to: the peer of `trainers.benchmark --what=roi`.

python -P trainers/torchvision_roi.py inputs.npz

It is a process of its own because torchvision and TensorFlow crash in one. The file has `features` (B, H, W, C)
float32, and `rois` (R, 4) float32 of each of the images: [x1, y1, x2, y2] in pixels. Every line of the standard input
is the keyword arguments of `pool` in JSON; when that is done, the answer is a line, "done".
"""

import json
import sys

import numpy as np
import torch
from torchvision.ops import roi_align, roi_pool

THREADS = 2
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def pool(features, rois, layer, pool_size, stride, backward):
    """Pools once.

    Args:
        features: (B, C, H, W), which the gradient is of.
        rois: list of B tensors (R, 4).
        layer: "RoIPooling", or "RoIAlign" as our layer is by default.
        pool_size: bins on each side.
        stride: pixels for one cell.
        backward: whether to compute the gradient, too.
    """
    with torch.set_grad_enabled(backward):
        if layer == "RoIPooling":
            pooled = roi_pool(features, rois, pool_size, 1 / stride)
        else:
            pooled = roi_align(features, rois, pool_size, 1 / stride, sampling_ratio=2, aligned=True)
    if backward:
        torch.autograd.grad(pooled, features, pooled.detach())


def main(path):
    """Pools the features of a file, once for each line of the standard input."""
    torch.set_num_threads(THREADS)
    with np.load(path) as inputs:
        features = torch.from_numpy(inputs["features"].transpose(0, 3, 1, 2))
        rois = [torch.from_numpy(inputs["rois"])] * len(features)
    features = {name: features.contiguous(memory_format=layout) for name, layout in LAYOUTS.items()}
    for line in sys.stdin:
        arguments = json.loads(line)
        pool(features[arguments.pop("layout")].requires_grad_(), rois, **arguments)
        print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
