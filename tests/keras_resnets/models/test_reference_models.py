"""Whole nets against torchvision's and timm's, whose answers are stored in `references`.

Neither weights nor input are stored: both follow from the names and shapes of PyTorch's tensors. The references were
computed with torchvision 0.29.1, timm 1.0.31 and PyTorch 2.14.1, in float32 and inference mode.
"""

import numpy as np
import pytest
from torch_tensors import REFERENCES, state_dict

import keras_resnets


@pytest.mark.parametrize(
    "reference, build",
    [
        ("torchvision_resnet18", keras_resnets.ResNet18),
        ("torchvision_resnet50", keras_resnets.ResNet50V1_5),
        pytest.param("torchvision_resnet101", keras_resnets.ResNet101V1_5, marks=pytest.mark.slow),
        pytest.param("torchvision_vgg16", keras_resnets.VGG16, marks=pytest.mark.slow),
        ("torchvision_googlenet", keras_resnets.GoogLeNet),
        ("timm_resnetv2_50", keras_resnets.ResNet50V2),
        pytest.param("timm_inception_v4", keras_resnets.InceptionV4, marks=pytest.mark.slow),
    ],
)
def test_logits_equal_pytorchs(reference, build):
    with np.load(REFERENCES / f"{reference}.npz") as file:
        size, expected = int(file["size"]), file["logits"]
    model = build(input_shape=(size, size, 3), classifier_activation=None)
    keras_resnets.weights.load_torch(model, state_dict(reference))
    logits = model(np.random.RandomState(0).randn(2, size, size, 3).astype("float32"))
    # Relative to the difference between two images, 1 to 12 % of the logits: a looser measure hides mistakes.
    assert np.abs(logits - expected).max() < 1e-2 * np.abs(expected[0] - expected[1]).max()
