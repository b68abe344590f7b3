"""Mask R-CNN against torchvision's, with the same weights: pip install '.[test,parity]', then pytest tests/parity."""

import dataclasses
import importlib.util
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from detection_pairs import on_canvas, pair, photographs

import keras_resnets
from keras_resnets.detection.resizing import TORCHVISION, to_original
from keras_resnets.ops.masks import paste_masks

PROGRAM = pathlib.Path(__file__).with_name("torchvision_mask_rcnn.py")
SHORT_SIDE = 320  # pixels; the published detectors' 800 would take minutes
RESIZING = dataclasses.replace(TORCHVISION, short_side=SHORT_SIDE, long_side=SHORT_SIDE * 5 // 3)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(library) is None for library in ("torch", "torchvision")),
        reason="PyTorch is not installed: pip install '.[test,parity]'",
    ),
]


def their_answers(name, images, folder):
    """Makes torchvision's detector in a process of its own; returns its answers."""
    np.savez(folder / "images.npz", *images)
    subprocess.run([sys.executable, PROGRAM, name, str(SHORT_SIDE), folder], check=True, capture_output=True)
    return np.load(folder / "answers.npz")


def our_answer(detector, image):
    """Returns proposals and detections in pixels of the image, without padding, and the masks in the image."""
    resized, scales = RESIZING.resize(image)
    inputs = on_canvas(resized.numpy())
    _, proposals, exists = detector.propose(inputs)
    found = detector(inputs)
    boxes = to_original(found["boxes"], scales[np.newaxis])
    masks = paste_masks(found["masks"], boxes, *image.shape[:2])
    count = slice(int(found["num_detections"][0]))
    return {
        "proposals": to_original(proposals, scales[np.newaxis])[0].numpy()[exists[0]],
        **{name: found[name][0].numpy()[count] for name in ("scores", "classes")},
        "boxes": boxes[0].numpy()[count],
        "masks": masks[0].numpy()[count],
    }


def mask_ious(ours, theirs):
    ours, theirs = (masks.reshape(len(masks), -1) > 0 for masks in (ours, theirs))
    unions = np.sum(ours | theirs, axis=1)
    return np.where(unions > 0, np.sum(ours & theirs, axis=1) / np.maximum(unions, 1), 1)


@pytest.mark.parametrize("version", ["", "_v2"])
def test_detections_and_masks_are_torchvisions(version, tmp_path):
    images = [*photographs(), photographs()[1][100:220, 50:140]]
    answers = their_answers(f"maskrcnn_resnet50_fpn{version}", images, tmp_path)
    detector = keras_resnets.create_detector(f"mask_rcnn_resnet50_fpn{version}", weights=tmp_path / "net.safetensors")
    for i, image in enumerate(images):
        names = ("proposals", "boxes", "scores", "labels", "masks")
        theirs = {name: answers[f"{i}_{name}"] for name in names}
        ours = our_answer(detector, image)

        nearest, distances = pair(theirs["proposals"], ours["proposals"])
        assert len(set(nearest)) == len(theirs["proposals"]) == len(ours["proposals"])
        assert distances.max() < 0.01
        nearest, distances = pair(theirs["boxes"], ours["boxes"], theirs["labels"] - 1, ours["classes"])
        assert sorted(nearest) == list(range(len(ours["boxes"])))
        assert distances.max() < 0.01
        np.testing.assert_allclose(ours["scores"][nearest], theirs["scores"], rtol=0, atol=1e-4)
        assert mask_ious(ours["masks"][nearest], theirs["masks"][:, 0] >= 0.5).min() > 0.99
        assert np.median(np.sum(theirs["masks"] >= 0.5, axis=(1, 2, 3))) > 200  # Otherwise this would say little.
