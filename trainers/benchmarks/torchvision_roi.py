"""RoI pooling of torchvision, the peer of `trainers.benchmark --what=roi`.

python -P trainers/benchmarks/torchvision_roi.py inputs.npz THREADS

This is a process of its own because torchvision and TensorFlow crash in the same one. The file holds `features`
(B, H, W, C) float32 and `rois` (R, 4) float32, the regions of every image: [x1, y1, x2, y2] in pixels. Each line on
standard input holds the keyword arguments of `pool` in JSON, and `layout`, a key of `LAYOUTS`, in place of the tensors.
The answer is the line "done".
"""

import json
import sys

import numpy as np
import torch
from torchvision.ops import roi_align, roi_pool

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def pool(
    features: torch.Tensor, rois: list[torch.Tensor], layer: str, pool_size: int, stride: int, backward: bool
) -> None:
    """Pools once.

    Args:
        features: (B, C, H, W), with respect to which the gradient is computed.
        rois: B tensors (R, 4).
        layer: "RoIPooling", or "RoIAlign" with the defaults of the layer here.
        pool_size: bins along each side.
        stride: pixels per cell of the features.
        backward: whether to compute the gradient as well.
    """
    with torch.set_grad_enabled(backward):
        if layer == "RoIPooling":
            pooled = roi_pool(features, rois, pool_size, 1 / stride)
        else:
            pooled = roi_align(features, rois, pool_size, 1 / stride, sampling_ratio=2, aligned=True)
    if backward:
        torch.autograd.grad(pooled, features, pooled.detach())


def main(path, threads):
    """Pools the features of a file on a number of threads, once for each line on standard input."""
    torch.set_num_threads(int(threads))
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
