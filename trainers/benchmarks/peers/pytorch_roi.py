"""RoI pooling of torchvision, in a process of `step_server`.

python pytorch_roi.py inputs.npz max|align BINS STRIDE forward|gradient contiguous|channels_last

The file holds `features` (B, H, W, C) float32 and `rois` (R, 4) float32, the regions of every image: [x1, y1, x2, y2]
in pixels.
"""

import os
import sys

import numpy as np
import torch
from step_server import serve
from torchvision.ops import roi_align, roi_pool

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def main(path, pooling, bins, stride, what, layout):
    """Pools the features of a file or, for "gradient", also computes the gradient with respect to them."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    with np.load(path) as inputs:
        features = torch.from_numpy(inputs["features"].transpose(0, 3, 1, 2))
        rois = [torch.from_numpy(inputs["rois"])] * len(features)
    features = features.contiguous(memory_format=LAYOUTS[layout]).requires_grad_()
    bins, scale = int(bins), 1 / int(stride)

    def pool():
        with torch.set_grad_enabled(what == "gradient"):
            if pooling == "max":
                pooled = roi_pool(features, rois, bins, scale)
            else:  # with the defaults of the layer here
                pooled = roi_align(features, rois, bins, scale, sampling_ratio=2, aligned=True)
        if what == "gradient":
            torch.autograd.grad(pooled, features, pooled.detach())

    serve(pool, units=sum(map(len, rois)))


if __name__ == "__main__":
    main(*sys.argv[1:])
