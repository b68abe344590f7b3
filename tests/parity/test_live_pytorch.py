"""The nets against torchvision and timm themselves: pip install '.[test,parity]', then pytest tests/parity."""

import importlib.util
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import keras_resnets

PROGRAM = pathlib.Path(__file__).with_name("pytorch_net.py")
LIBRARIES = ("torch", "torchvision", "timm", "safetensors")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(library) is None for library in LIBRARIES),
        reason="PyTorch is not installed: pip install '.[test,parity]'",
    ),
]

# Their net, and the side of the images: odd sizes tell how borders are padded.
TORCHVISION = {
    "resnet18": ("resnet18", 65),
    "resnet34": ("resnet34", 64),
    "resnet50_v1_5": ("resnet50", 65),
    "resnet101_v1_5": ("resnet101", 64),
    "resnet152_v1_5": ("resnet152", 64),
    "googlenet": ("googlenet", 97),
    "vgg16": ("vgg16", 224),
    "vgg19": ("vgg19", 224),
}
TIMM = {
    "resnet18": ("resnet18", 64),
    "resnet50_v1_5": ("resnet50", 64),
    "resnet18_v2": ("resnetv2_18", 65),
    "resnet34_v2": ("resnetv2_34", 64),
    "resnet50_v2": ("resnetv2_50", 95),
    "resnet101_v2": ("resnetv2_101", 64),
    "inception_v4": ("inception_v4", 107),
    "inception_resnet_v2_slim": ("inception_resnet_v2", 107),
    "vgg16": ("vgg16", 224),
}


def their_net(source, name, size, folder):
    """Makes a PyTorch net in a process of its own; returns images and its logits for them."""
    command = [sys.executable, PROGRAM, source, name, str(size), folder]
    subprocess.run(command, check=True, capture_output=True)
    with np.load(folder / "answers.npz") as answers:
        return answers["images"], answers["logits"]


@pytest.mark.parametrize(
    "source, name, theirs, size",
    [
        (source, name, *row)
        for source, rows in [("torchvision", TORCHVISION), ("timm", TIMM)]
        for name, row in rows.items()
    ],
)
def test_logits_equal_those_of_the_library(source, name, theirs, size, tmp_path):
    images, expected = their_net(source, theirs, size, tmp_path)
    file = "weights.pth" if source == "torchvision" else "weights.safetensors"
    model = keras_resnets.create_model(
        name, input_shape=(size, size, 3), classifier_activation=None, weights=tmp_path / file
    )
    error = np.abs(model(images) - expected).max()
    assert error < 1e-2 * np.abs(expected[0] - expected[1]).max()
    assert error < 1e-4 * np.abs(expected).max()


def test_files_of_pytorch_that_are_something_else(tmp_path):
    import torch

    class Attack:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    their_net("torchvision", "resnet18", 64, tmp_path)
    whole = (tmp_path / "weights.pth").read_bytes()
    (tmp_path / "truncated.pth").write_bytes(whole[: len(whole) // 2])
    torch.save({"conv1.weight": Attack()}, tmp_path / "code.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save({"state_dict": torch.load(tmp_path / "weights.pth")}, tmp_path / "nested.pth")
    for name, message in [
        ("code", "holds io.open, which PyTorch's safe loader refuses; nothing in the file was executed"),
        ("truncated", "cannot be read by PyTorch"),
        ("list", "holds a list, which is no state dict"),
    ]:
        with pytest.raises(keras_resnets.ArgumentError, match=message):
            keras_resnets.ResNet18(weights=tmp_path / f"{name}.pth")
    assert not (tmp_path / "executed").exists()
    model = keras_resnets.ResNet18(weights=tmp_path / "nested.pth")
    assert np.array_equal(model.get_layer("conv1_bn").gamma, torch.load(tmp_path / "weights.pth")["bn1.weight"])
