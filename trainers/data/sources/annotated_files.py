"""Image files with boxes in annotation files, checked against the images: the common part of `voc:` and `coco:`."""

import dataclasses
import math
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

from keras_resnets.errors import ArgumentError
from trainers.data.detection_dataset import Annotation, DetectionDataset, file_split, max_boxes
from trainers.data.sources.image_sizes import image_sizes
from trainers.data.sources.problems import Damage, Problems

IMAGE_LEFT_OUT = "image left out"
ROUNDING = 0.01  # pixels; boxes are clipped by this much without a report: COCO rounds to hundredths


@dataclasses.dataclass(frozen=True)
class AnnotatedObject:
    """An object of an annotation file.

    Attributes:
        name: of the object, for messages, e.g. "000005.xml: object 3 (chair)".
        stated: its box as written in the file, e.g. "bbox=[1, 2, 30, 40]".
        box: [x1, y1, x2, y2] in pixels, with x1 < x2 and y1 < y2; maybe outside of the image.
        index: of its class in the labels.
        ignored: see `Annotation`.
        area: in pixels; None for the area of the box.
    """

    name: str
    stated: str
    box: list[float]
    index: int
    ignored: bool
    area: float | None = None


@dataclasses.dataclass(frozen=True)
class AnnotatedImage:
    """An image of an annotation file.

    Attributes:
        name: of the image, for messages, with the annotation file.
        file: path of the image.
        width: stated in the file, in pixels; None if it is not.
        height: stated in the file, in pixels; None if it is not.
        objects: of the image.
    """

    name: str
    file: pathlib.Path
    width: float | None
    height: float | None
    objects: list[AnnotatedObject]


def number(value: Any) -> float | None:
    """Returns a text or a number as a float, or None if it is not a finite number."""
    try:
        result = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def file_dataset(
    labels: Iterable[str],
    train: Sequence[AnnotatedImage],
    test: Sequence[AnnotatedImage],
    layout: str,
    problems: Problems,
) -> DetectionDataset:
    """Returns a data set of the images that can be decoded, with the boxes clipped to the images.

    Args:
        labels: names of the classes.
        train: training images.
        test: test images.
        layout: the expected files, for messages.
        problems: where to report missing and damaged images, wrong sizes, and boxes outside of their images.

    Raises:
        ArgumentError: if a split has no image, the training split has no object, or `problems` is strict and there is
            one.
    """
    train_files, train_annotations = _checked("train", train, problems)
    test_files, test_annotations = _checked("test", test, problems)
    for split, files in (("training", train_files), ("test", test_files)):
        if not files:
            raise ArgumentError(f"--dataset={problems.dataset} has no {split} image that can be used; {layout}.")
    if not max_boxes(train_annotations):
        raise ArgumentError(f"--dataset={problems.dataset} has no object in its training images; {layout}.")
    return DetectionDataset(
        labels=tuple(labels),
        side=None,
        max_boxes=max_boxes(train_annotations, test_annotations),
        train=file_split(train_files, train_annotations),
        test=file_split(test_files, test_annotations),
    )


def _checked(split, images, problems):
    """Returns the files that can be decoded, and their `Annotation`s."""
    sizes = image_sizes([image.file for image in images], f"reading {problems.dataset}, {split}").tolist()
    files, annotations = [], []
    for image, (height, width) in zip(images, sizes):
        if not height:
            reason = "cannot be decoded" if image.file.is_file() else "does not exist"
            problems.report(f"{image.name}: {image.file} {reason}", IMAGE_LEFT_OUT)
            continue
        _compare_size(image, height, width, problems)
        files.append(image.file)
        annotations.append(_annotation(image.objects, height, width, problems))
    return files, annotations


def _compare_size(image, height, width, problems):
    stated = {"width": (image.width, width), "height": (image.height, height)}
    wrong = [f"{side}={value:g}" for side, (value, real) in stated.items() if value is not None and value != real]
    if wrong:
        problems.report(
            f"{image.name}: {' '.join(wrong)}, but {image.file} has width={width} height={height}",
            "the size of the image is used",
        )


def _annotation(objects, height, width, problems):
    boxes, kept = [], []
    for item in objects:
        with problems.leave_out(item.name):
            boxes.append(_clipped(item, height, width, problems))
            kept.append(item)
    areas = [(x2 - x1) * (y2 - y1) if item.area is None else item.area for item, (x1, y1, x2, y2) in zip(kept, boxes)]
    return Annotation.of(boxes, [item.index for item in kept], [item.ignored for item in kept], areas)


def _clipped(item, height, width, problems):
    x1, y1, x2, y2 = item.box
    box = [max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)]
    image = f"of the image, which has width={width} height={height}"
    if box[0] >= box[2] or box[1] >= box[3]:
        raise Damage(f"{item.stated} is outside {image}")
    if max(abs(inside - stated) for inside, stated in zip(box, item.box)) > ROUNDING:
        problems.report(f"{item.name}: {item.stated} is partly outside {image}", "clipped")
    return box
