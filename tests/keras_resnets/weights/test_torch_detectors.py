"""Files of torchvision's detectors with a feature pyramid, against the stored answers of narrow ones of both versions.

`tests/parity/torchvision_pyramids.py` made the answers, with torchvision 0.29.1.
"""

import json
import re

import numpy as np
import pytest
import torch_pyramids as narrow
from safetensors.numpy import save_file
from torch_tensors import REFERENCES, state_dict

import keras_resnets
from keras_resnets import ArgumentError, FasterRCNN
from keras_resnets.detection.registry import TORCHVISION, VERSION_2
from keras_resnets.detection.resizing import Resizing, to_original
from keras_resnets.weights import load_torch, load_weights

REFERENCE = np.load(REFERENCES / "torchvision_pyramids.npz")
VERSIONS = {1: TORCHVISION, 2: VERSION_2}
RESIZING = Resizing(narrow.SHORT_SIDE, narrow.LONG_SIDE, (160, 160), as_torchvision=True)


def tensors(version=1):
    return narrow.tensors(json.loads(str(REFERENCE[f"v{version}_state_dict"])), version)


def detector(version=1, classes=narrow.CLASSES, **options):
    filters = [narrow.FILTERS * 2**i for i in range(4)]
    backbone = keras_resnets.ResNet((1, 1, 1, 1), filters, bottleneck=True, stride_in="3x3", include_top=False)
    small = {
        "anchor_sizes": narrow.ANCHOR_SIZES,
        "canonical_size": narrow.CANONICAL_SIZE,
        "fpn_filters": narrow.CHANNELS,
        "rpn_filters": narrow.CHANNELS,
        "head_units": narrow.UNITS,
        "test_pre_nms_topk": 100,
        "test_post_nms_topk": 60,
        "max_detections": 30,
    }
    return FasterRCNN(classes, backbone, **{**VERSIONS[version], **small, **options})


def answer(model, image):
    """Returns the proposals in pixels of the resized image, and detections as torchvision has them."""
    resized, scales = RESIZING.resize(image)
    height, width = resized.shape[:2]
    canvas = np.pad(resized, [(0, -height % 32), (0, -width % 32), (0, 0)])[np.newaxis]
    inputs = {"images": canvas, "image_shapes": np.int32([[height, width]])}
    _, proposals, valid = model.propose(inputs)
    found = {name: value[0].numpy() for name, value in model(inputs).items()}
    boxes = to_original(found["boxes"], scales).numpy()
    count = found["num_detections"]
    return proposals[valid].numpy(), boxes[:count], found["scores"][:count], found["classes"][:count]


@pytest.mark.parametrize("version", VERSIONS)
def test_proposals_and_detections_are_torchvisions(version, tmp_path):
    model = detector(version)
    save_file(tensors(version), tmp_path / "net.safetensors")
    assert load_weights(model, tmp_path / "net.safetensors") == []
    classes = set()
    for i, image in enumerate(narrow.images()):
        theirs = {name: REFERENCE[f"v{version}_{i}_{name}"] for name in ("proposals", "boxes", "scores", "labels")}
        proposals, boxes, scores, of_class = answer(model, image)
        np.testing.assert_allclose(proposals, theirs["proposals"], rtol=0, atol=0.01)
        np.testing.assert_array_equal(of_class, theirs["labels"] - 1)
        np.testing.assert_allclose(boxes, theirs["boxes"], rtol=0, atol=0.01)
        np.testing.assert_allclose(scores, theirs["scores"], rtol=0, atol=1e-4)
        classes |= {*of_class}
    assert len(classes) >= 3  # Otherwise this would say little.


def test_images_are_resized_as_torchvision_does():
    for i, image in enumerate(narrow.images()[:2]):  # One is made larger, one smaller.
        resized, _ = RESIZING.resize(image)
        np.testing.assert_allclose(resized[::5, ::5], REFERENCE[f"{i}_resized"], rtol=0, atol=1e-3)


def weights_of(model):
    return {weight.path: weight.numpy() for weight in model.weights}


def assert_equal(model, expected):
    for path, value in weights_of(model).items():
        np.testing.assert_array_equal(value, expected[path], err_msg=path)


def test_names_of_torchvisions_first_files_are_the_same():
    first = {}
    for name, value in tensors().items():
        first[re.sub(r"(_blocks\.\d)\.0|(rpn\.head\.conv)\.0\.0", r"\1\2", name)] = value
    assert {"backbone.fpn.inner_blocks.0.weight", "rpn.head.conv.weight"} <= first.keys()
    model, expected = detector(), detector()
    load_torch(expected, tensors())
    load_torch(model, first)
    for ours, theirs in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("epsilon", [0, 1e-5, 1e-3])
def test_frozen_batch_normalization_has_the_epsilon_that_is_given(epsilon, capsys):
    frozen = {name: value for name, value in tensors().items() if not name.endswith("num_batches_tracked")}
    frozen["backbone.body.layer1.0.bn2.running_var"] *= np.float32(1e-4)
    model = detector()
    load_torch(model, frozen, frozen_batch_norm_epsilon=epsilon)
    assert not capsys.readouterr().err
    for theirs, ours in [("bn1", "conv1_bn"), ("layer1.0.bn2", "conv2_block1_2_bn")]:
        names = ("weight", "bias", "running_mean", "running_var")
        gamma, beta, mean, variance = (np.float64(frozen[f"backbone.body.{theirs}.{name}"]) for name in names)
        layer = model.trunk.get_layer(ours)
        x = np.random.default_rng(0).normal(0, 1, (1, 2, 2, len(mean)))
        expected = (x - mean) / np.sqrt(variance + epsilon) * gamma + beta
        found = layer(x.astype("float32"), training=False)
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found / scale, expected / scale, rtol=0, atol=1e-6)


def test_an_epsilon_that_no_file_states_is_said_where_it_is_assumed(capsys):
    frozen = {name: value for name, value in tensors().items() if not name.endswith("num_batches_tracked")}
    frozen["backbone.body.bn1.running_var"] = np.zeros(8, "float32")  # of channels that the training never used
    model, expected = detector(), detector()
    load_torch(expected, tensors() | frozen)
    assert not capsys.readouterr().err  # It has counters, and so is not frozen.
    load_torch(model, frozen)
    assert "an epsilon of 1e-05 is assumed: pass frozen_batch_norm_epsilon=0 if" in capsys.readouterr().err
    for ours, theirs in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    before = weights_of(model)
    for epsilon, message in [
        (0, r"bn1.running_var has a variance of 0, which cannot be with frozen_batch_norm_epsilon=0: pass that of the"),
        (-1, "frozen_batch_norm_epsilon=-1 must be a number from 0 on"),
        ("0", "frozen_batch_norm_epsilon='0' must be a number from 0 on"),
    ]:
        with pytest.raises(ArgumentError, match=message):
            load_torch(model, frozen, frozen_batch_norm_epsilon=epsilon)
    assert_equal(model, before)


def test_only_layers_of_the_classes_start_anew_for_other_classes():
    model, expected = detector(classes=3), detector()
    load_torch(expected, tensors())
    fresh = weights_of(model)
    assert sorted(load_torch(model, tensors(), new_classifier=True)) == ["box_deltas", "class_logits"]
    theirs = weights_of(expected)
    for (path, value), other in zip(weights_of(model).items(), theirs.values(), strict=True):
        is_new = "class_logits" in path or "box_deltas" in path
        np.testing.assert_array_equal(value, fresh[path] if is_new else other, err_msg=path)
    fresh = weights_of(model)
    with pytest.raises(
        ArgumentError, match="The file has 5 classes: pass num_classes=5. Layers.* class_logits is 64x6 6, n"
    ):
        load_torch(model, tensors())
    assert_equal(model, fresh)


def test_files_that_do_not_fit_leave_the_detector_as_it_is(tmp_path):
    model = detector(1)
    before = weights_of(model)
    contents = {
        "other version": (tensors(2), "holds weights of torchvision's detectors with a feature pyramid"),
        "classifier": (
            state_dict("torchvision_resnet18"),
            "holds a classification net, of .*: pass it to keras_resnets.FasterRCNN as weights=",
        ),
        "retina net": (
            {"head.classification_head.cls_logits.weight": np.zeros((9, 4, 3, 3), "float32")},
            "is the file of a detector whose names are not known. Those of torchvision's .*_v2 are: keras_re",
        ),
        "nothing known": ({"encoder.weight": np.zeros((3, 3), "float32")}, "has unknown tensor names: encoder.weight"),
    }
    for name, (content, message) in contents.items():
        save_file(content, tmp_path / name)
        with pytest.raises(ArgumentError, match=message) as error:
            load_weights(model, tmp_path / name)
        assert "\n" not in str(error.value)
    whole = (tmp_path / "other version").read_bytes()
    (tmp_path / "truncated").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArgumentError, match="truncated"):
        load_weights(model, tmp_path / "truncated")
    assert_equal(model, before)


def test_a_detectors_file_is_refused_for_a_classifier():
    model = keras_resnets.ResNet18(input_shape=(64, 64, 3), classes=3)
    before = weights_of(model)
    for build in (lambda: load_torch(model, tensors()), lambda: load_torch(model, tensors(), new_classifier=True)):
        with pytest.raises(ArgumentError, match="holds a detector, of .*: pass it to keras_resnets.create"):
            build()
    assert_equal(model, before)
