"""Whole nets against torchvision's, whose answers are stored in `references`.

Neither weights nor input are stored: both follow from the names and shapes of torchvision's tensors. The reference
file was computed with torchvision 0.29.1 and PyTorch 2.14.1, in float32 and inference mode.
"""

import json
import pathlib
import re
import zlib

import numpy as np
import pytest

import keras_resnets

REFERENCES = pathlib.Path(__file__).parent / "references"


def tensor(name, shape):
    random = np.random.RandomState(zlib.crc32(name.encode()))
    kind = name.rpartition(".")[2]
    if kind == "running_var":
        return 1 + 0.2 * abs(random.randn(*shape))
    if kind in ("running_mean", "bias"):
        return 0.02 * random.randn(*shape)
    if len(shape) == 1:
        gamma = 1 + 0.1 * random.randn(*shape)
        gamma[::7] *= -1  # Tells apart nets that pool before or after normalization.
        return gamma
    return np.sqrt(2.4 / np.prod(shape[1:])) * random.randn(*shape)


def torch_name(layer):
    """Returns torchvision's name for one of our layers."""
    if layer == "predictions":
        return "fc"
    if "block" not in layer:
        return {"conv1_conv": "conv1", "conv1_bn": "bn1"}[layer]
    stage, block, index, kind = re.fullmatch(r"conv(\d)_block(\d+)_(\d)_(conv|bn)", layer).groups()
    unit = f"layer{int(stage) - 1}.{int(block) - 1}"
    return f"{unit}.{kind}{index}" if index != "0" else f"{unit}.downsample.{int(kind == 'bn')}"


def load(model, state_dict):
    for layer in model.layers:
        if not layer.weights:
            continue
        name = torch_name(layer.name)
        parts = ["weight", "bias", "running_mean", "running_var"]
        names = [f"{name}.{part}" for part in parts if f"{name}.{part}" in state_dict]
        arrays = [tensor(name, state_dict.pop(name)) for name in names]
        # Kernels: output, input, height, width there; height, width, input, output here.
        layer.set_weights([a.transpose(*range(2, a.ndim), 1, 0) if a.ndim > 1 else a for a in arrays])


@pytest.mark.parametrize("name, depth", [("ResNet18", 18), ("ResNet50V1_5", 50)])
def test_logits_equal_torchvisions(name, depth):
    reference = np.load(REFERENCES / f"torchvision_resnet{depth}.npz")
    model = getattr(keras_resnets, name)(input_shape=(None, None, 3), classifier_activation=None)
    state_dict = json.loads(str(reference["state_dict"]))
    load(model, state_dict)
    assert all(name.endswith("num_batches_tracked") for name in state_dict)
    size = int(reference["size"])
    logits = model(np.random.RandomState(0).randn(2, size, size, 3).astype("float32"))
    expected = reference["logits"]
    # Relative to the difference between two images, 1 to 12 % of the logits: a looser measure hides mistakes.
    assert np.abs(logits - expected).max() < 1e-3 * np.abs(expected[0] - expected[1]).max()
