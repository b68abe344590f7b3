"""Published detectors by name.

This module does not load Keras: a detector's class is imported when it is asked for.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from keras_resnets.detection.coco import LABELS
from keras_resnets.errors import check_choice

if TYPE_CHECKING:
    import keras

COCO = "coco"  # the tag of weights
# torchvision's conventions, where its detectors do not have the defaults of `FPNOptions`.
TORCHVISION = {
    "neck": "fpn",
    "anchor_offset": 0.0,
    "anchor_rounding": "corners",
    "anchor_floor_strides": True,
    "roi_aligned": False,
    "roi_smooth_l1_beta": 1 / 9,
    "proposal_min_size": 1e-3,
}
# "Benchmarking Detection Transfer Learning with Vision Transformers" (arXiv 2111.11429), as torchvision implements it.
VERSION_2 = {
    **TORCHVISION,
    "fpn_batch_norm": True,
    "rpn_convolutions": 2,
    "head": "conv_bn",
    "head_convolutions": 4,
    "head_layers": 2,
}


@dataclasses.dataclass(frozen=True)
class Detector:
    """A row of the registry.

    Attributes:
        model: "module.class" below `keras_resnets.detection`.
        backbone: a name of `keras_resnets.list_models()`.
        arguments: of the class, besides the classes and the backbone.
        file: name of torchvision's file of weights for COCO.
        checksum: first digits of its SHA-256.
        box_ap: its average precision of boxes on COCO's val2017, in %, as torchvision 0.29 states it.
        mask_ap: the same of masks, or None.
    """

    model: str
    backbone: str
    arguments: Mapping[str, Any]
    file: str
    checksum: str
    box_ap: float
    mask_ap: float | None = None

    @property
    def class_name(self) -> str:
        """Name of the model's class, in `keras_resnets`."""
        return self.model.partition(".")[2]

    @property
    def build(self) -> Callable[..., keras.Model]:
        """The model's class, which is imported."""
        module, name = self.model.split(".")
        return getattr(importlib.import_module(f"keras_resnets.detection.{module}"), name)


DETECTORS = {
    "faster_rcnn_resnet50_fpn": Detector(
        "faster_rcnn.FasterRCNN",
        "resnet50_v1_5",
        TORCHVISION,
        "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth",
        "258fb6c6",
        37.0,
    ),
    "faster_rcnn_resnet50_fpn_v2": Detector(
        "faster_rcnn.FasterRCNN",
        "resnet50_v1_5",
        VERSION_2,
        "fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth",
        "dd69338a",
        46.7,
    ),
    "mask_rcnn_resnet50_fpn": Detector(
        "mask_rcnn.MaskRCNN",
        "resnet50_v1_5",
        TORCHVISION,
        "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth",
        "bf2d0c1e",
        37.9,
        34.6,
    ),
    "mask_rcnn_resnet50_fpn_v2": Detector(
        "mask_rcnn.MaskRCNN",
        "resnet50_v1_5",
        {**VERSION_2, "mask_batch_norm": True},
        "maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth",
        "73cbd019",
        47.4,
        41.8,
    ),
}


def list_detectors() -> list[str]:
    """Returns the names that `create_detector` takes."""
    return list(DETECTORS)


def find(name: str) -> Detector:
    """Returns the row of a name, or raises ArgumentError."""
    check_choice("detector", name, list_detectors())
    return DETECTORS[name]


def create_detector(
    name: str,
    /,
    num_classes: int | None = None,
    weights: str | os.PathLike[str] | None = None,
    **arguments: Any,
) -> keras.Model:
    """Makes a detector of the registry.

    With the published weights, inputs are resized to a short side of 800 pixels, and a long side of 1,333 at most: see
    `keras_resnets.detection.resizing.TORCHVISION`. Their classes are those of `keras_resnets.detection.coco.LABELS`.

    Args:
        name: one of `list_detectors()`.
        num_classes: number of classes without the background. None is COCO's 90.
        weights: None for random ones; "coco" for those that torchvision publishes, which are downloaded once; or the
            path of a file of torchvision's detector of this name, as .pth or .safetensors. If it has another number of
            classes, the layers of the classes start from random weights.
        **arguments: of the detector's class, in place of the registry's, such as `score_threshold` or `backbone`.

    Returns:
        A `keras_resnets.FasterRCNN` or `keras_resnets.MaskRCNN`.

    Raises:
        ArgumentError: (a ValueError) for an unknown name, weights that do not fit or cannot be downloaded, or arguments
            that cannot work.
    """
    from keras_resnets.weights import load_weights

    row = find(name)
    classes = len(LABELS) if num_classes is None else num_classes
    path = weights_file(name) if weights == COCO else weights
    model = row.build(classes, **{"backbone": row.backbone, "name": name, **row.arguments, **arguments})
    if path is not None:
        load_weights(model, path, new_classifier=num_classes is not None)
    return model


def weights_file(name: str) -> str:
    """Returns the path of a detector's published weights, which are downloaded once.

    Raises:
        ArgumentError: (a ValueError) if they cannot be downloaded.
    """
    from keras_resnets.weights.downloads import download
    from keras_resnets.weights.published_files import TORCHVISION as FOLDER

    row = find(name)
    purpose = f'weights="{COCO}" of {name}'
    return download(f"{FOLDER}/{row.file}", purpose, "pass its path as weights=", sha256=row.checksum)
