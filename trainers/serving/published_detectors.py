"""Published detectors without a run: their exports, and the resizing that torchvision has for them."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import keras_resnets
from keras_resnets.detection.coco import LABELS
from keras_resnets.detection.registry import COCO, is_published_file
from keras_resnets.detection.resizing import CANVAS_MULTIPLE, TORCHVISION, Resizing
from keras_resnets.dtype_policies import dtype_policy_scope
from keras_resnets.serving import export_detector
from keras_resnets.weights.family import say_nothing
from keras_resnets.weights.loading import read_weights
from keras_resnets.weights.torch_detectors import CLASS_LOGITS
from trainers.data.sources.image_sizes import image_sizes
from trainers.runtime.choices import EXPORT_PRECISIONS
from trainers.runtime.failures import naming


def export_published(
    name: str,
    weights: str,
    base: str | pathlib.Path | None = None,
    version: int | None = None,
    precision: str = "float32",
    options: Mapping[str, Any] | None = None,
    resizing: Resizing = TORCHVISION,
    frozen_batch_norm_epsilon: float | None = None,
    **settings: Any,
) -> pathlib.Path:
    """Exports a published detector.

    Args:
        name: one of `keras_resnets.list_detectors()`.
        weights: "coco", or a file of torchvision's detector of this name, with any classes.
        base: folder of all versions; None for one of the detector's name in `saved_models`.
        version, precision, options: see `trainers.serving.export.export`.
        resizing: of the images.
        frozen_batch_norm_epsilon: see `keras_resnets.create_detector`.
        **settings: other arguments of `export_detector`.

    Returns:
        The path of the version's folder.

    Raises:
        ArgumentError: for an argument that cannot work.
    """
    with naming("--weights", about="weights"), dtype_policy_scope(EXPORT_PRECISIONS[precision]):
        labels = class_names(name, weights)
        model = keras_resnets.create_detector(name, len(labels), weights, frozen_batch_norm_epsilon, **(options or {}))
    return export_detector(model, resizing, labels, base or f"saved_models/{name}", version, **settings)


def class_names(name: str, weights: str) -> tuple[str, ...]:
    """Returns COCO's names for the file that torchvision publishes; for others, which name none, numbers from 1 on.

    Args:
        name, weights: as for `export_published`.
    """
    if weights == COCO or is_published_file(name, weights):
        return LABELS
    logits = read_weights(weights, say_nothing).content.get(CLASS_LOGITS)
    classes = len(LABELS) if logits is None else len(logits) - 1
    return tuple(map(str, range(1, classes + 1)))


def resizing_for(files: Sequence[pathlib.Path]) -> Resizing:
    """Returns torchvision's resizing, on the smallest canvas that all images fit in; for one image, as it has there.

    Args:
        files: paths of image files; damaged ones do not count.
    """
    sizes = [(file.height, file.width) for file in image_sizes(files, "reading") if not file.reason]
    if not sizes:
        return TORCHVISION
    sides = TORCHVISION.size_of(np.array(sizes)).numpy().max(axis=0)
    canvas = -(-sides // CANVAS_MULTIPLE) * CANVAS_MULTIPLE
    return dataclasses.replace(TORCHVISION, canvas=tuple(canvas.tolist()))
