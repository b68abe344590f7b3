"""The models that `trainers.conformance` exports. This module does not load TensorFlow."""

import functools

import keras_resnets
from keras_resnets.detection.registry import create_detector, list_detectors
from keras_resnets.models import registry
from trainers.runtime.choices import SAVED_MODEL

ANCHORS = {"anchor_sizes": (32, 64)}


def _faster_rcnn(backbone, **options):
    return keras_resnets.FasterRCNN(3, backbone, **ANCHORS, test_post_nms_topk=20, score_threshold=0.0, **options)


def _published(name):
    return create_detector(name, 3, test_post_nms_topk=20, score_threshold=0.0)


def _ensemble(*backbones):
    detectors = [_faster_rcnn(backbone) for backbone in backbones]
    return keras_resnets.Ensemble(detectors, detectors)


def _mask_rcnn(backbone, **options):
    return keras_resnets.MaskRCNN(3, backbone, test_post_nms_topk=20, score_threshold=0.0, **options)


def _localizer(backbone):
    return keras_resnets.Localizer(3, backbone, **ANCHORS, post_nms_topk=20)


# Name -> function that builds the model.
DETECTORS = {
    "faster_rcnn_resnet18": lambda: _faster_rcnn("resnet18"),
    "faster_rcnn_resnet18_softmax": lambda: _faster_rcnn("resnet18", rpn_softmax=True),
    "faster_rcnn_resnet50_v2": lambda: _faster_rcnn("resnet50_v2"),
    "faster_rcnn_zfnet": lambda: _faster_rcnn("zfnet"),
    **{name: functools.partial(_published, name) for name in list_detectors()},
    "mask_rcnn_resnet18": lambda: _mask_rcnn("resnet18", mask_batch_norm=True),
    "ensemble_resnet18_resnet18_v2": lambda: _ensemble("resnet18", "resnet18_v2"),
}
# Name -> function that builds the localizer and, optionally, its second stage.
LOCALIZERS = {
    "localizer_resnet18": lambda: [_localizer("resnet18")],
    "localization_rcnn_resnet18": lambda: [
        _localizer("resnet18"),
        keras_resnets.RCNN(3, "resnet18", warp_size=64, warp_context=5, pool_size=4, svm=False),
    ],
}


def all_names(format: str) -> list[str]:
    """Returns the names of all models that have a format of exports; detectors and localizers have `SAVED_MODEL`."""
    return [*registry.names(), *(DETECTORS | LOCALIZERS if format == SAVED_MODEL else {})]


def check_name(name: str, format: str) -> None:
    """Raises ArgumentError if no model of this name has the format."""
    if format != SAVED_MODEL or name not in DETECTORS | LOCALIZERS:
        registry.find(name)
