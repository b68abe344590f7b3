"""Tensors and images of torchvision's detectors with a feature pyramid, without PyTorch."""

import numpy as np
from torch_tensors import tensor

# A narrow detector: its filters of conv2's 3x3, channels of the pyramid, units of its head, and the rest.
FILTERS, CHANNELS, UNITS, CLASSES = 8, 32, 64, 5
SHORT_SIDE, LONG_SIDE = 96, 160  # px
ANCHOR_SIZES = (8, 16, 32, 64, 128)
CANONICAL_SIZE = 56
# Of the layers that are not followed by batch normalization: logits that differ by a few units, and deltas that move
# boxes by about a third. By the end of a module's name, and by version.
GAINS = {
    "cls_logits": (0.25, 0.25),
    "rpn.head.bbox_pred": (0.01, 0.05),
    "cls_score": (0.1, 1.0),
    "roi_heads.box_predictor.bbox_pred": (0.05, 0.5),
}


def gain_of(module, version):
    """Returns the factor of a module's kernel."""
    gains = [gain[version - 1] for end, gain in GAINS.items() if module.endswith(end)]
    return (gains or [1])[0] * (0.7 if "fpn" in module else 1)


def tensors(shapes, version):
    """Returns the state dict of a detector, a dict of arrays by name.

    Args:
        shapes: PyTorch's shapes by name.
        version: 1 or 2.
    """
    values = {}
    for name, shape in shapes.items():
        module, _, part = name.rpartition(".")
        gain = gain_of(module, version) if part == "weight" and len(shape) > 1 else 1
        value = gain * tensor(name, shape)
        if name.startswith("roi_heads.box") and len(shape) > 1:
            # Features are positive: without this, their mean alone would tell the class, the same for all regions.
            value = value - value.mean(axis=1, keepdims=True)
        values[name] = np.asarray(value, "int64" if part == "num_batches_tracked" else "float32")
    return values


def images():
    """Returns images of blocks and noise, (H, W, 3) uint8: smaller, larger, much longer than the net's, and odd."""
    made = []
    for i, (height, width) in enumerate([(64, 80), (150, 110), (97, 300), (131, 131)]):
        random = np.random.RandomState(i)
        blocks = random.uniform(0, 200, (height // 16 + 1, width // 16 + 1, 3))
        large = np.repeat(np.repeat(blocks, 16, axis=0), 16, axis=1)[:height, :width]
        made.append((large + random.uniform(0, 55, (height, width, 3))).astype("uint8"))
    return made
