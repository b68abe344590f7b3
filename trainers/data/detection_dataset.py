"""Data sets of images with boxes around their objects.

Boxes are [x1, y1, x2, y2] in pixels of the image; the width is x2 - x1 (no "+1").
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from trainers.data.image_source import ImageSource, InspectedFile, encoded_files
from trainers.data.split import Split, shuffled_indices


@dataclasses.dataclass(frozen=True)
class Annotation:
    """The n objects of one image; n may be 0.

    Attributes:
        boxes: (n, 4) float32.
        classes: (n,) int32, indices of the data set's labels.
        ignored: (n,) bool, objects that are not trained on, and whose detections count neither as right nor as wrong:
            the difficult ones of PASCAL VOC, the crowds of COCO.
        areas: (n,) float32, of the objects in pixels, which divide them into small, medium and large ones. In COCO, the
            areas of the masks.
        masks: (n,) of bytes, the objects' pixels in the image: see `trainers.metrics.masks`. None where the data set
            was opened without.
    """

    boxes: np.ndarray
    classes: np.ndarray
    ignored: np.ndarray
    areas: np.ndarray
    masks: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        boxes: ArrayLike,
        classes: ArrayLike,
        ignored: ArrayLike | None = None,
        areas: ArrayLike | None = None,
        masks: Sequence[bytes] | None = None,
    ) -> Annotation:
        """Returns an annotation of arrays or sequences, by default without ignored objects, with the boxes' areas."""
        boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
        if ignored is None:
            ignored = np.zeros(len(boxes), bool)
        if areas is None:
            areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        arrays = (np.asarray(classes, np.int32), np.asarray(ignored, bool), np.asarray(areas, np.float32))
        runs = None if masks is None else np.array(masks, object)
        return cls(boxes, *(array.reshape(-1) for array in arrays), runs)


@dataclasses.dataclass(frozen=True)
class DetectionDataset:
    """Images with boxes: the examples of both splits have the fields of an `Annotation`, as tensors, but those of None.

    Attributes:
        labels: names of the classes; class i is `labels[i]`.
        side: height and width of all images, in pixels; None if they differ.
        max_boxes: the largest number of objects in an image of either split; None if unknown.
        train: the training split.
        test: the split whose average precision is reported.
        measured: name of the split that `test` is, where names in the files tell; else None.
        voc_first_pixel: from what the coordinates of `voc:` count, "0" or "1"; None for other data.
    """

    labels: tuple[str, ...]
    side: int | None
    max_boxes: int | None
    train: Split
    test: Split
    measured: str | None = None
    voc_first_pixel: str | None = None


def annotated_split(annotations: Sequence[Annotation], image: Callable[[tf.Tensor], ImageSource]) -> Split:
    """Returns a split with its annotations in memory.

    Args:
        annotations: of each example.
        image: function from the index of an example, an int64 scalar, to its image.
    """
    counts = np.array([len(annotation.classes) for annotation in annotations], np.int64)
    ends = np.cumsum(counts)
    columns = {
        field.name: tf.constant(np.concatenate([getattr(annotation, field.name) for annotation in annotations]))
        for field in dataclasses.fields(Annotation)
        if getattr(annotations[0], field.name) is not None
    }

    def keys(seed):
        return shuffled_indices(len(annotations), seed).map(lambda index: {"index": index})

    def load(key):
        index = key["index"]
        end = tf.gather(ends, index)
        start = end - tf.gather(counts, index)
        return {"image": image(index), **{name: column[start:end] for name, column in columns.items()}}

    return Split(len(annotations), keys, load)


def file_split(files: Sequence[InspectedFile], annotations: Sequence[Annotation]) -> Split:
    """Returns a split of image files that can be used, with their annotations in memory."""
    return annotated_split(annotations, encoded_files(files))


def max_boxes(*splits: Sequence[Annotation]) -> int:
    """Returns the largest number of objects in an image."""
    return max(len(annotation.classes) for annotations in splits for annotation in annotations)
