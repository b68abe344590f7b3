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
    frozen_batch_norm_epsilon: float | None = None,
    **arguments: Any,
) -> keras.Model:
    """Makes a detector of the registry.

    With the published weights, inputs are resized to a short side of 800 pixels, and a long side of 1,333 at most: see
    `keras_resnets.detection.resizing.TORCHVISION`. Their classes are those of `keras_resnets.detection.coco.LABELS`.

    Args:
        name: one of `list_detectors()`.
        num_classes: number of classes without the background. None is COCO's 90.
        weights: None for random ones; "coco" for those that torchvision publishes, which are downloaded once; the path
            of a file of torchvision's detector of this name, as .pth or .safetensors; or, for the backbone alone,
            "imagenet" or a tag of `keras_resnets.list_weights("resnet50_v1_5")`. Of a file with another number of
            classes than `num_classes`, the layers of the classes start from random weights, which is said on stderr.
        frozen_batch_norm_epsilon: see `keras_resnets.weights.load_weights`. None is 0 for the file that torchvision
            publishes, which its checksum tells.
        **arguments: of the detector's class, in place of the registry's, such as `score_threshold` or `backbone`.

    Returns:
        A `keras_resnets.FasterRCNN` or `keras_resnets.MaskRCNN`.

    Raises:
        ArgumentError: (a ValueError) for an unknown name, weights that do not fit or cannot be downloaded, or arguments
            that cannot work.
    """
    from keras_resnets.weights.family import say
    from keras_resnets.weights.tags import is_published

    row = find(name)
    classes = len(LABELS) if num_classes is None else num_classes
    path = weights_file(name) if weights == COCO else weights
    of_backbone = weights if is_published(weights) else None
    model = row.build(
        classes, **{"backbone": row.backbone, "weights": of_backbone, "name": name, **row.arguments, **arguments}
    )
    if path is not None and of_backbone is None:
        left = load_detector(model, name, path, num_classes is not None, frozen_batch_norm_epsilon)
        if left:
            say(f"weights={str(weights)!r} has other classes than num_classes={classes}: {', '.join(left)} are random.")
    return model


def load_detector(
    model: keras.Model,
    name: str,
    path: str | os.PathLike[str],
    new_classifier: bool = False,
    frozen_batch_norm_epsilon: float | None = None,
) -> list[str]:
    """Loads a file of weights into a detector of the registry: see `keras_resnets.weights.load_weights`.

    Args:
        model: a detector that `create_detector` has made, or one of the same layers.
        name: its name in the registry.
        path, new_classifier: as in `load_weights`.
        frozen_batch_norm_epsilon: as in `create_detector`.

    Returns, Raises:
        As `load_weights`.
    """
    from keras_resnets.weights import load_weights

    if frozen_batch_norm_epsilon is None and is_published_file(name, path):
        frozen_batch_norm_epsilon = 0.0  # torchvision's overwrite_eps
    return load_weights(model, path, new_classifier, frozen_batch_norm_epsilon)


def is_published_file(name: str, path: str | os.PathLike[str]) -> bool:
    """Returns whether a file is the one that torchvision publishes for a detector, whatever it is called.

    Raises:
        ArgumentError: (a ValueError) if there is no such file.
    """
    from keras_resnets.weights.downloads import has_checksum
    from keras_resnets.weights.loading import check_file

    check_file(path)
    return has_checksum(path, find(name).checksum)


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
