"""Detectors by name, and where their weights are."""

import pytest

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.detection.coco import LABELS, UNUSED


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


def test_labels_are_cocos():
    # Of its categories 1 to 90, these ten were never annotated.
    assert [i for i, label in enumerate(LABELS, 1) if label == UNUSED] == [12, 26, 29, 30, 45, 66, 68, 69, 71, 83]
    assert len(LABELS) == 90 and len({*LABELS}) == 80 + 1
    assert (LABELS[0], LABELS[17], LABELS[89]) == ("person", "dog", "toothbrush")


@pytest.mark.usefixtures("without_weights")
def test_weights_that_are_no_file():
    with pytest.raises(ArgumentError, match="weights='cocoo' is not an existing file"):
        keras_resnets.create_detector("faster_rcnn_resnet50_fpn", weights="cocoo")
