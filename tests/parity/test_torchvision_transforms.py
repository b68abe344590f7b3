"""The preprocessing of published weights against torchvision's transforms themselves, with Pillow."""

import importlib.util
import io
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from cropped_photos import differences_of_crops
from photos import photos
from PIL import Image

PROGRAM = pathlib.Path(__file__).with_name("torchvision_crops.py")
CASES = ["bilinear,256,224", "bilinear,342,299", "bicubic,235,224", "bicubic,248,224", "bicubic,256,224"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("torchvision") is None,
        reason="PyTorch is not installed: pip install '.[test,parity]'",
    ),
]


def test_crops_are_those_of_torchvision(tmp_path):
    files = {}
    for i, (image, _) in enumerate(photos(20, seed=0)):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=90)
        files[f"photo{i}"] = np.frombuffer(file.getvalue(), np.uint8)
    np.savez(tmp_path / "photos.npz", **files)
    subprocess.run([sys.executable, PROGRAM, tmp_path / "photos.npz", *CASES], check=True)
    differences = [*differences_of_crops(tmp_path / "photos.npz")]
    assert len(differences) == 100
    # Where a pixel of the first of two passes lies between two numbers, its rounding may make a difference of 2.
    assert np.mean([np.mean(difference > 1) for difference in differences]) < 1e-6
    assert max(difference.max() for difference in differences) <= 2
    assert max(difference.mean() for difference in differences) < 0.05
