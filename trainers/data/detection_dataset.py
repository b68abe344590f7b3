"""Data sets of images with boxes around their objects, and how the value of `--dataset` becomes one.

Boxes are [x1, y1, x2, y2] in pixels of the image, where the width is x2 - x1 (no "+1").
"""

import dataclasses

import numpy as np
import tensorflow as tf

from trainers.data.image_source import Encoded
from trainers.data.split import Split, shuffled_indices


@dataclasses.dataclass(frozen=True)
class Annotation:
    """The objects of one image, as arrays of n rows; n may be 0.

    Attributes:
        boxes: (n, 4) float32.
        classes: (n,) int32, indices of the data set's labels.
        ignored: (n,) bool, objects that are not trained on, and neither right nor wrong to find: the difficult ones of
            PASCAL VOC, the crowds of COCO.
        areas: (n,) float32, of the objects in pixels (of COCO, of their masks): what small and large objects are is
            told by them.
    """

    boxes: np.ndarray
    classes: np.ndarray
    ignored: np.ndarray
    areas: np.ndarray

    @classmethod
    def of(cls, boxes, classes, ignored=None, areas=None):
        """Makes one from sequences; nothing is ignored, and areas are those of the boxes, where not given."""
        boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
        if ignored is None:
            ignored = np.zeros(len(boxes), bool)
        if areas is None:
            areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        arrays = (np.asarray(classes, np.int32), np.asarray(ignored, bool), np.asarray(areas, np.float32))
        return cls(boxes, *(array.reshape(-1) for array in arrays))


@dataclasses.dataclass(frozen=True)
class DetectionDataset:
    """Images with boxes.

    Attributes:
        labels: the classes' names; class i is `labels[i]`.
        side: height and width of every image, in pixels, or None when they differ.
        most_boxes: the largest number of objects in an image, of both splits, or None when it is not known.
        train: the split that is trained on; its `load` returns `image`, a source of `trainers.data.image_source`, and
            the fields of an `Annotation` as tensors.
        test: the split whose average precision is reported.
    """

    labels: tuple[str, ...]
    side: int | None
    most_boxes: int | None
    train: Split
    test: Split


def annotated_split(annotations, image):
    """A split whose annotations are in memory, and whose examples are found by their index.

    Args:
        annotations: a list of `Annotation`s.
        image: function from an index, an int64 scalar tensor, to an image source.
    """
    counts = np.array([len(annotation.classes) for annotation in annotations], np.int64)
    ends = np.cumsum(counts)
    table = {
        field.name: tf.constant(np.concatenate([getattr(annotation, field.name) for annotation in annotations]))
        for field in dataclasses.fields(Annotation)
    }

    def keys(seed):
        return shuffled_indices(len(annotations), seed).map(lambda index: {"index": index})

    def load(key):
        index = key["index"]
        end = tf.gather(ends, index)
        start = end - tf.gather(counts, index)
        return {"image": image(index), **{name: rows[start:end] for name, rows in table.items()}}

    return Split(len(annotations), keys, load)


def file_split(files, annotations):
    """A split of image files, with their annotations in memory."""
    paths = tf.constant([str(file) for file in files])
    return annotated_split(annotations, lambda index: Encoded(tf.io.read_file(tf.gather(paths, index))))


def most_boxes(*splits):
    """Returns the largest number of objects in an image, of lists of `Annotation`s."""
    return max(len(annotation.classes) for annotations in splits for annotation in annotations)
