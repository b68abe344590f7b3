"""Faster R-CNN against torchvision's, with the same weights: pip install '.[test,parity]', then pytest tests/parity."""

import importlib.util
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from detection_pairs import on_canvas, pair, photographs

import keras_resnets
from keras_resnets.layers import RoIAlign, RoIPooling

PROGRAM = pathlib.Path(__file__).with_name("torchvision_faster_rcnn.py")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(library) is None for library in ("torch", "torchvision")),
        reason="PyTorch is not installed: pip install '.[test,parity]'",
    ),
]

LAYERS = {
    "rpn_conv": "rpn.head.conv.0.0",
    "rpn_logits": "rpn.head.cls_logits",
    "rpn_deltas": "rpn.head.bbox_pred",
    "class_logits": "roi_heads.box_predictor.cls_score",
    "box_deltas": "roi_heads.box_predictor.bbox_pred",
}
ROI_POOLING = {"align": RoIAlign(14, 16, sampling_ratio=2, aligned=False), "max": RoIPooling(14, 16)}


def their_detector(roi_pooling, images, folder):
    """Makes torchvision's detector in a process of its own; returns its new layers' tensors and its answers."""
    np.savez(folder / "images.npz", *images)
    subprocess.run([sys.executable, PROGRAM, roi_pooling, folder], check=True, capture_output=True)
    return np.load(folder / "weights.npz"), np.load(folder / "answers.npz")


def our_detector(roi_pooling, tensors, folder):
    detector = keras_resnets.FasterRCNN(
        num_classes=20,
        backbone="resnet18",
        weights=folder / "resnet18.pth",
        roi_pooling=ROI_POOLING[roi_pooling],
        anchor_sizes=(64, 128, 256),
        anchor_offset=0,
        anchor_rounding="corners",
        rpn_filters=256,
        test_pre_nms_topk=2000,
        test_post_nms_topk=100,
        proposal_min_size=1e-3,
    )
    for name, theirs in LAYERS.items():
        part = detector.rpn if name.startswith("rpn") else detector.head
        # (out, in, height, width) or (out, in) becomes (height, width, in, out) or (in, out).
        kernel = np.moveaxis(tensors[f"{theirs}.weight"], [0, 1], [-1, -2])
        part.get_layer(name).set_weights([kernel, tensors[f"{theirs}.bias"]])
    return detector


@pytest.mark.parametrize("roi_pooling", ROI_POOLING)
def test_proposals_and_detections_are_torchvisions(roi_pooling, tmp_path):
    images = photographs()
    tensors, answers = their_detector(roi_pooling, images, tmp_path)
    detector = our_detector(roi_pooling, tensors, tmp_path)
    for i, image in enumerate(images):
        theirs = {name: answers[f"{i}_{name}"] for name in ("proposals", "boxes", "scores", "labels")}
        inputs = on_canvas(image)
        _, proposals, exists = detector.propose(inputs)
        ours = {name: value[0] for name, value in detector(inputs).items()}

        nearest, distances = pair(theirs["proposals"], proposals[exists])
        assert sorted(nearest) == list(range(np.sum(exists)))
        assert distances.max() < 0.01
        found = slice(ours["num_detections"])
        nearest, distances = pair(theirs["boxes"], ours["boxes"][found], theirs["labels"] - 1, ours["classes"][found])
        assert sorted(nearest) == list(range(ours["num_detections"]))
        assert distances.max() < 0.01
        np.testing.assert_allclose(ours["scores"].numpy()[nearest], theirs["scores"], rtol=0, atol=1e-4)
        assert len(set(theirs["labels"])) >= 3  # Otherwise this would say little.
