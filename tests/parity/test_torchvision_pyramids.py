"""Detectors with a feature pyramid against torchvision's: pip install '.[test,parity]', then pytest tests/parity."""

import importlib.util
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from detection_pairs import pair
from sklearn.datasets import load_sample_images

import keras_resnets
from keras_resnets.detection.resizing import TORCHVISION, to_original
from keras_resnets.weights import load_weights

PROGRAM = pathlib.Path(__file__).with_name("torchvision_pyramids.py")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(library) is None for library in ("torch", "torchvision")),
        reason="PyTorch is not installed: pip install '.[test,parity]'",
    ),
]
NAMES = {1: "faster_rcnn_resnet50_fpn", 2: "faster_rcnn_resnet50_fpn_v2"}


def photographs():
    """Returns images that become larger, one with sides that are no multiples of anything, and one that is narrow."""
    china, flower = load_sample_images().images
    return [china[:416, :640], flower[:200, 200:528], china[100:355, 250:451], flower[:, :150]]


def their_answers(version, images, folder):
    """Makes torchvision's detector in a process of its own, which writes its weights; returns its answers."""
    np.savez(folder / "images.npz", *images)
    subprocess.run([sys.executable, PROGRAM, "full", str(version), folder], check=True, capture_output=True)
    return np.load(folder / "answers.npz")


def on_canvas(image):
    """Returns the input of our detector for an image, resized and padded as torchvision does, and the scales."""
    resized, scales = TORCHVISION.resize(image)
    height, width = resized.shape[:2]
    canvas = np.pad(resized, [(0, -height % 32), (0, -width % 32), (0, 0)])
    return {"images": canvas[np.newaxis], "image_shapes": np.array([[height, width]], "int32")}, scales


def test_maps_with_frozen_batch_normalization_are_torchvisions(tmp_path):
    subprocess.run([sys.executable, PROGRAM, "frozen", tmp_path], check=True, capture_output=True)
    answers = np.load(tmp_path / "answers.npz")
    detector = keras_resnets.create_detector(NAMES[1])
    for epsilon, given in [("1e-05", None), ("1e-05", 1e-5), ("0", 0)]:
        load_weights(detector, tmp_path / "net.safetensors", frozen_batch_norm_epsilon=given)
        for level, ours in enumerate(detector.trunk(answers["image"][np.newaxis])):
            theirs = answers[f"{epsilon}_{level}"]
            np.testing.assert_allclose(ours[0], theirs, rtol=0, atol=1e-4 * np.abs(theirs).max())
    assert np.abs(answers["0_3"] - answers["1e-05_3"]).max() > 0.1 * np.abs(theirs).max()


@pytest.mark.parametrize("version, suffix", [(1, "pth"), (2, "safetensors")])
def test_proposals_and_detections_are_torchvisions(version, suffix, tmp_path):
    images = photographs()
    answers = their_answers(version, images, tmp_path)
    detector = keras_resnets.create_detector(NAMES[version], weights=tmp_path / f"net.{suffix}")
    for i, image in enumerate(images):
        theirs = {name: answers[f"{i}_{name}"] for name in ("proposals", "boxes", "scores", "labels")}
        inputs, scales = on_canvas(image)
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
