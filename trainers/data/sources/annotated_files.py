"""Image files with boxes in annotation files, checked against the images: the common part of the readers."""

import collections
import dataclasses
import math
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from keras_resnets.errors import ArgumentError
from trainers.data.detection_dataset import Annotation, DetectionDataset, file_split, max_boxes
from trainers.data.registry import Purpose
from trainers.data.sources.image_sizes import image_sizes, say_common_files
from trainers.data.sources.masks import mask_runs
from trainers.data.sources.problems import Damage, Problems, counted

HELD_OUT_SHARE = 0.1
# Boxes are clipped by this much without a report: COCO rounds to hundredths of a pixel, YOLO's tools to 4 or 5 digits.
ROUNDING, RELATIVE_ROUNDING = 0.01, 1e-4  # pixels, and shares of the longer side

RESIZED = (
    "the size of the file is used, and boxes as they are: if images were resized, take the original ones, or annotate "
    "these"
)
STORED_SIZE = "the stated size is that of the file without its EXIF orientation, and so may be the boxes"


@dataclasses.dataclass(frozen=True)
class AnnotatedObject:
    """An object of an annotation file.

    Attributes:
        name: of the object, for messages, e.g. "000005.xml: object 3 (chair)".
        stated: its box as written in the file, e.g. "bbox=[1, 2, 30, 40]".
        box: [x1, y1, x2, y2] with x1 < x2 and y1 < y2, counted from 0, in pixels or as shares of the image's sides;
            maybe outside of the image.
        index: of its class in the labels.
        ignored: see `Annotation`.
        area: in pixels; None for the area of the box.
        segmentation: the mask: see `trainers.data.sources.masks`; None for data without.
    """

    name: str
    stated: str
    box: list[float]
    index: int
    ignored: bool = False
    area: float | None = None
    segmentation: Any = None


@dataclasses.dataclass(frozen=True)
class AnnotatedImage:
    """An image of an annotation file.

    Attributes:
        name: of the image, for messages, with the annotation file.
        file: path of the image.
        objects: of the image.
        width: stated in the file, in pixels; None if it is not.
        height: stated in the file, in pixels; None if it is not.
    """

    name: str
    file: pathlib.Path
    objects: list[AnnotatedObject]
    width: float | None = None
    height: float | None = None


def number(value: Any) -> float | None:
    """Returns a text or a number as a float, or None if it is not a finite number."""
    try:
        result = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def twice(values: Iterable[Any]) -> list[Any]:
    """Returns the values that occur more than once."""
    return [value for value, count in collections.Counter(values).items() if count > 1]


def file_dataset(
    labels: Sequence[str],
    train: Sequence[AnnotatedImage],
    test: Sequence[AnnotatedImage] | None,
    layout: str,
    problems: Problems,
    relative: bool = False,
    purpose: Purpose = "training",
    masks: bool = False,
) -> DetectionDataset:
    """Returns a data set of the images that can be decoded, with the boxes clipped to the images.

    Args:
        labels: names of the classes.
        train: training images.
        test: test images; None to hold out a random tenth of the training images, always the same.
        layout: the expected files, for messages.
        problems: where to report missing and damaged images, wrong sizes, and boxes outside of their images.
        relative: whether boxes are shares of the image's sides. Boxes in pixels that all lie within 0..1 are, too.
        purpose: what the data set is for; a training split that is not trained on may be without objects.
        masks: whether annotations have the masks; an object without one is left out.

    Raises:
        ArgumentError: if a split has no image, the training split has no object to train on, or `problems` is strict
            and there is one.
    """
    if test is None:
        train, test = _held_out(train, layout, problems)
    if not relative and _all_within_one([*train, *test]):
        problems.say("all boxes lie within 0..1: they are read as shares of the images' sides, not as pixels")
        relative = True
    train_files, train_annotations = _checked("train", train, relative, masks, problems)
    test_files, test_annotations = _checked("test", test, relative, masks, problems)
    for images, files in (("training image", train_files), ("image to measure with", test_files)):
        if not files:
            raise ArgumentError(
                f"--dataset={problems.dataset} has no {images} that can be used{problems.main_cause}; {layout}."
            )
    if purpose == "training" and not max_boxes(train_annotations):
        raise ArgumentError(f"--dataset={problems.dataset} has no object in its training images; {layout}.")
    train_annotations, test_annotations = _trained_on(train_annotations, test_annotations, purpose, problems)
    _say_what_is_odd(labels, train_files, train_annotations, test_files, test_annotations, problems)
    return DetectionDataset(
        labels=tuple(labels),
        side=None,
        max_boxes=max_boxes(train_annotations, test_annotations),
        train=file_split(train_files, train_annotations),
        test=file_split(test_files, test_annotations),
    )


def _held_out(images, layout, problems):
    """Returns the images in two parts: nine tenths to train on, and a tenth, at least one, to measure with."""
    if len(images) < 2:
        found = f"{counted(len(images), 'image')}{problems.main_cause}"
        raise ArgumentError(f"--dataset={problems.dataset} has {found}, too few to hold one out; {layout}.")
    order = np.random.default_rng(0).permutation(len(images))
    chosen = set(order[: max(1, int(len(images) * HELD_OUT_SHARE))].tolist())
    problems.say(f"has no validation images: measured with {len(chosen)} of its {len(images)} images, always the same")
    return tuple([image for i, image in enumerate(images) if (i in chosen) == test] for test in (False, True))


def _all_within_one(images):
    """Whether all boxes lie within 0..1, and one has a fraction: a box of a single pixel has none."""
    boxes = [item.box for image in images for item in image.objects[:1]]
    if not boxes or max(map(max, boxes)) > 1:
        return False
    boxes = [item.box for image in images for item in image.objects]
    return max(map(max, boxes)) <= 1 and any(value % 1 for box in boxes for value in box)


def _checked(split, images, relative, masks, problems):
    """Returns the files that can be used, and their `Annotation`s."""
    found = image_sizes([image.file for image in images], f"reading {problems.dataset}, {split}")
    files, annotations = [], []
    for image, file in zip(images, found):
        if file.reason:
            problems.report("image", image.name, file.reason, str(image.file))
            continue
        _compare_size(image, file, problems)
        files.append(file)
        annotations.append(_annotation(image.objects, file.height, file.width, relative, masks, problems))
    return files, annotations


def _compare_size(image, file, problems):
    stated = {"width": (image.width, file.width), "height": (image.height, file.height)}
    wrong = [f"{side}={value:g}" for side, (value, real) in stated.items() if value is not None and value != real]
    if wrong:
        is_stored = file.is_sideways and (image.width, image.height) == (file.height, file.width)
        problems.report(
            "image",
            image.name,
            STORED_SIZE if is_stored else "the stated size is not that of the file",
            f"{' '.join(wrong)}, but {image.file} has width={file.width} height={file.height}",
            "boxes are taken as of the upright image" if is_stored else RESIZED,
        )


def _annotation(objects, height, width, relative, masks, problems):
    boxes, kept, runs = [], [], []
    for item in _each_once(objects, problems):
        x1, y1, x2, y2 = item.box
        box, rounding = item.box, ROUNDING
        if relative:
            box = [x1 * width, y1 * height, x2 * width, y2 * height]
            rounding = RELATIVE_ROUNDING * max(width, height)
        with problems.leave_out("object", item.name):
            box = _clipped(item, box, rounding, height, width, problems)
            if masks:
                runs.append(mask_runs(item.segmentation, box, height, width, relative))
            boxes.append(box)
            kept.append(item)
    of_boxes = [(x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in boxes]
    areas = [box if relative or item.area is None else item.area for item, box in zip(kept, of_boxes)]
    classes, ignored = [item.index for item in kept], [item.ignored for item in kept]
    return Annotation.of(boxes, classes, ignored, areas, runs if masks else None)


def _each_once(objects, problems):
    """Returns objects without those that repeat another's class and box, as merged files have them."""
    seen = {}
    for item in objects:
        key = item.index, item.ignored, *item.box
        if seen.setdefault(key, item) is not item:
            problems.note("object", item.name, "an object that is there already", item.stated, "taken once")
    return list(seen.values())


def _clipped(item, stated, rounding, height, width, problems):
    x1, y1, x2, y2 = stated
    box = [max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)]
    if box[0] >= box[2] or box[1] >= box[3]:
        raise Damage("outside of the image", f"{item.stated}; width={width} height={height}")
    if max(abs(inside - outside) for inside, outside in zip(box, stated)) > rounding:
        detail = f"{item.stated}; width={width} height={height}"
        problems.report("object", item.name, "partly outside of the image", detail, "clipped")
    return box


def _trained_on(train, test, purpose, problems):
    """Returns the annotations; where all objects are ignored, which cannot be meant, with none ignored."""
    ignored = np.concatenate([annotation.ignored for annotation in (*train, *test)])
    if np.all(ignored):
        problems.say(f"all {len(ignored)} objects are marked as crowd or difficult: they are read as ordinary ones")
        return tuple(
            [dataclasses.replace(one, ignored=np.zeros_like(one.ignored)) for one in ones] for ones in (train, test)
        )
    if purpose == "training" and all(np.all(annotation.ignored) for annotation in train):
        raise ArgumentError(
            f"--dataset={problems.dataset}: every object of its training images is marked as crowd or difficult, so "
            "that none would be trained on: take the marks away."
        )
    if np.any(ignored):
        objects = f"{np.sum(ignored)} of {len(ignored)} objects"
        problems.say(f"{objects} are crowds or difficult: not trained on, neither right nor wrong in evaluation")
    return train, test


def _say_what_is_odd(labels, train_files, train, test_files, test, problems):
    trained = np.concatenate([annotation.classes[~annotation.ignored] for annotation in train])
    missing = [labels[index] for index in sorted(set(range(len(labels))) - set(trained.tolist()))]
    if missing:
        names = ", ".join(missing[:10]) + (", ..." if len(missing) > 10 else "")
        problems.say(f"{len(missing)} of {len(labels)} classes have no object in the training images: {names}")
    cases = collections.Counter(label.casefold() for label in set(labels))
    alike = [label for label in labels if cases[label.casefold()] > 1]
    if alike:
        problems.say(f"classes whose names differ by case only: {', '.join(alike)}")
    if not max_boxes(test):
        problems.say("no image to measure with has an object: there will be no average precision")
    say_common_files([file.path for file in train_files], [file.path for file in test_files], problems)
