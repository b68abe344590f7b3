"""Detectors by name, and where their weights are."""

import dataclasses
import hashlib

import numpy as np
import pytest
from hub_cache import repository, use_cache
from safetensors.numpy import save_file
from torch_tensors import state_dict
from torchvision_detectors import write_detector

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.detection.coco import LABELS
from keras_resnets.detection.registry import DETECTORS

NAME = "faster_rcnn_resnet50_fpn"
SMALL = {"fpn_filters": 16, "rpn_filters": 16, "head_units": 32}


def test_names():
    assert {"faster_rcnn_resnet50_fpn", "faster_rcnn_resnet50_fpn_v2"} <= {*keras_resnets.list_detectors()}
    with pytest.raises(ArgumentError, match="detector='faster_rcnn' is unknown: use one of 'faster_rcnn_resnet50_fpn'"):
        keras_resnets.create_detector("faster_rcnn")


@pytest.mark.usefixtures("without_weights")
def test_classes_and_options_are_those_of_the_row_unless_given():
    detector = keras_resnets.create_detector("faster_rcnn_resnet50_fpn")
    assert (detector.name, detector.num_classes) == ("faster_rcnn_resnet50_fpn", 90)
    options = detector.options
    assert (options.anchor_floor_strides, options.roi_aligned, options.nms_threshold) == (True, False, 0.5)
    other = keras_resnets.create_detector("faster_rcnn_resnet50_fpn_v2", 7, score_threshold=0.3, name="mine")
    assert (other.name, other.num_classes, other.options.score_threshold) == ("mine", 7, 0.3)
    assert (other.options.head, other.options.rpn_convolutions) == ("conv_bn", 2)
    with pytest.raises(ArgumentError, match="score_treshold=0.3 is not an argument of this model: use score_threshold"):
        keras_resnets.create_detector("faster_rcnn_resnet50_fpn", score_treshold=0.3)


def test_tags_are_those_of_the_backbone(tmp_path, monkeypatch):
    use_cache(monkeypatch, tmp_path)
    tensors = state_dict("torchvision_resnet18")
    save_file(tensors, repository(tmp_path, "timm/resnet18.tv_in1k") / "model.safetensors")
    detector = keras_resnets.create_detector(NAME, 3, "imagenet", backbone="resnet18", **SMALL)
    assert (detector.name, detector.num_classes) == (NAME, 3)
    for theirs, ours in [("bn1", "conv1_bn"), ("layer4.1.bn2", "conv5_block2_2_bn")]:
        np.testing.assert_array_equal(detector.trunk.get_layer(ours).gamma, tensors[f"{theirs}.weight"])
    with pytest.raises(ArgumentError, match='weights="timm:resnet1" of resnet50_v1_5 is unknown: use timm:resnet50'):
        keras_resnets.create_detector(NAME, 3, "timm:resnet1")


def narrow(classes, weights=None, **arguments):
    """Makes a narrow detector of the registry."""
    backbone = keras_resnets.ResNet((1, 1, 1, 1), (8, 16, 32, 64), include_top=False)
    return keras_resnets.create_detector(NAME, classes, weights, backbone=backbone, **SMALL, **arguments)


def test_layers_that_start_from_random_weights_are_said(tmp_path, capsys):
    file = tmp_path / "five.safetensors"
    write_detector(file, narrow(5))
    narrow(5, file)
    assert "random" not in capsys.readouterr().err
    narrow(3, file)
    assert "has other classes than num_classes=3: box_deltas, class_logits are random" in capsys.readouterr().err
    with pytest.raises(ArgumentError, match="The file has 5 classes: pass num_classes=5. Layers"):
        narrow(None, file)


def test_torchvisions_own_file_has_an_epsilon_of_0_and_others_1e_5(tmp_path, monkeypatch, capsys):
    file, source = tmp_path / "any name.safetensors", narrow(90)
    layer = source.trunk.get_layer("conv1_bn")
    layer.moving_variance.assign(layer.moving_variance * 1e-5)
    write_detector(file, source)
    models = [narrow(90, file), narrow(90, file, frozen_batch_norm_epsilon=0)]
    gammas = [model.trunk.get_layer("conv1_bn").gamma for model in models]
    assert capsys.readouterr().err.count("an epsilon of 1e-05 is assumed") == 1
    np.testing.assert_array_equal(gammas[0], layer.gamma)
    np.testing.assert_allclose(gammas[1], np.sqrt(2) * layer.gamma, rtol=1e-4)
    checksum = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    monkeypatch.setitem(DETECTORS, NAME, dataclasses.replace(DETECTORS[NAME], checksum=checksum))
    np.testing.assert_array_equal(narrow(90, file).trunk.get_layer("conv1_bn").gamma, gammas[1])
    assert not capsys.readouterr().err


def test_labels_are_cocos():
    # Of its categories 1 to 90, these ten were never annotated.
    assert [i for i, label in enumerate(LABELS, 1) if label == "N/A"] == [12, 26, 29, 30, 45, 66, 68, 69, 71, 83]
    assert len(LABELS) == 90 and len({*LABELS}) == 80 + 1
    assert (LABELS[0], LABELS[17], LABELS[89]) == ("person", "dog", "toothbrush")


@pytest.mark.usefixtures("without_weights")
def test_weights_that_are_no_file():
    with pytest.raises(ArgumentError, match="weights='cocoo' is not an existing file"):
        keras_resnets.create_detector("faster_rcnn_resnet50_fpn", weights="cocoo")
