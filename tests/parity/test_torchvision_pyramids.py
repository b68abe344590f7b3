"""Detectors with a feature pyramid against torchvision's: pip install '.[test,parity]', then pytest tests/parity."""

import importlib.util
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from detection_pairs import on_canvas, pair, photographs

import keras_resnets
from keras_resnets.detection.resizing import TORCHVISION, to_original

PROGRAM = pathlib.Path(__file__).with_name("torchvision_pyramids.py")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(library) is None for library in ("torch", "torchvision")),
        reason="PyTorch is not installed: pip install '.[test,parity]'",
    ),
]
NAMES = {1: "faster_rcnn_resnet50_fpn", 2: "faster_rcnn_resnet50_fpn_v2"}


def images_of_all_shapes():
    """Returns images that become larger, one with sides that are no multiples of anything, and one that is narrow."""
    return [*photographs(), photographs()[0][:, :150]]


def their_answers(version, images, folder):
    """Makes torchvision's detector in a process of its own, which writes its weights; returns its answers."""
    np.savez(folder / "images.npz", *images)
    subprocess.run([sys.executable, PROGRAM, "full", str(version), folder], check=True, capture_output=True)
    return np.load(folder / "answers.npz")


@pytest.mark.parametrize("version, suffix", [(1, "pth"), (2, "safetensors")])
def test_proposals_and_detections_are_torchvisions(version, suffix, tmp_path):
    images = images_of_all_shapes()
    answers = their_answers(version, images, tmp_path)
    detector = keras_resnets.create_detector(NAMES[version], weights=tmp_path / f"net.{suffix}")
    for i, image in enumerate(images):
        theirs = {name: answers[f"{i}_{name}"] for name in ("proposals", "boxes", "scores", "labels")}
        resized, scales = TORCHVISION.resize(image)
        inputs = on_canvas(resized.numpy())
        _, proposals, valid = detector.propose(inputs)
        ours = {name: value[0].numpy() for name, value in detector(inputs).items()}

        nearest, distances = pair(theirs["proposals"], proposals[valid].numpy())
        assert sorted(nearest) == list(range(np.sum(valid)))
        assert distances.max() < 0.01
        found = slice(ours["num_detections"])
        boxes = to_original(ours["boxes"], scales).numpy()[found]
        nearest, distances = pair(theirs["boxes"], boxes, theirs["labels"] - 1, ours["classes"][found])
        assert sorted(nearest) == list(range(ours["num_detections"]))
        assert distances.max() < 0.01
        np.testing.assert_allclose(ours["scores"][nearest], theirs["scores"], rtol=0, atol=1e-4)
        assert len(set(theirs["labels"])) >= 2  # Otherwise this would say little.
