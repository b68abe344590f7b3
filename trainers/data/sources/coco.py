"""`coco:IMAGES,TRAIN.json,IMAGES,TEST.json`: COCO (arXiv 1405.0312), or other data in its format.

`coco:IMAGES,ANNOTATIONS.json` has a random tenth of the images as its test split, always the same.
"""

import collections.abc
import json
import pathlib
import reprlib

import numpy as np

from keras_resnets.errors import ArgumentError
from trainers.data.detection_dataset import DetectionDataset
from trainers.data.sources.annotated_files import IMAGE_LEFT_OUT, AnnotatedImage, AnnotatedObject, file_dataset, number
from trainers.data.sources.problems import Damage, Problems

LAYOUT = (
    "expected is coco:IMAGES,TRAIN.json,IMAGES,TEST.json or coco:IMAGES,ANNOTATIONS.json, with folders of images and "
    "files of COCO's images, annotations and categories"
)
TEST_SHARE = 0.1


def open_coco(spec: str, strict: bool) -> DetectionDataset:
    """Opens data in COCO's format; crowds are ignored objects.

    Args:
        spec: four or two paths with commas between them, see above.
        strict: whether a damaged file or object is an error; if not, it is reported on stderr and skipped.

    Raises:
        ArgumentError: if a path does not exist, a JSON file is not COCO's, the two have different categories, no image
            or object can be used, or, if strict, one is damaged.
    """
    paths = spec.split(",")
    if len(paths) not in (2, 4) or not all(paths):
        raise ArgumentError(f"--dataset=coco:{spec} is not two or four paths; {LAYOUT}.")
    with Problems(f"coco:{spec}", strict) as problems:
        categories, train = _read(*paths[:2], problems)
        if len(paths) == 4:
            test_categories, test = _read(*paths[2:], problems)
            _compare(paths[1], categories, paths[3], test_categories)
        else:
            train, test = _divided(train)
        return file_dataset(categories.values(), train, test, LAYOUT, problems)


def _compare(train_file, train, test_file, test):
    different = sorted(train.items() ^ test.items())
    if different:
        identifier, label = different[0]
        raise ArgumentError(
            f"{train_file} and {test_file} must have the same categories: only one has {identifier} ({label})."
        )


def _divided(images):
    order = np.random.default_rng(0).permutation(len(images))
    chosen = set(order[: max(1, int(len(images) * TEST_SHARE))].tolist())
    return tuple([image for i, image in enumerate(images) if (i in chosen) == test] for test in (False, True))


def _read(folder, file, problems):
    """Returns the categories, {id: label} in the order of the ids, and a list of `AnnotatedImage`s."""
    if not pathlib.Path(folder).is_dir():
        raise ArgumentError(f"--dataset={problems.dataset}: there is no folder {folder}; {LAYOUT}.")
    content = _content(file, problems)
    categories = _categories(file, content)
    images = _images(folder, file, content, problems)
    _add_objects(file, content, categories, images, problems)
    return categories, list(images.values())


def _content(file, problems):
    try:
        content = json.loads(pathlib.Path(file).read_bytes())
    except OSError as error:
        raise ArgumentError(f"--dataset={problems.dataset}: {file} cannot be read; {LAYOUT}.") from error
    except (ValueError, RecursionError) as error:
        raise ArgumentError(f"{file} is not JSON ({error}): mend it, or fetch it again.") from error
    for key in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise ArgumentError(f"{file} has no list of {key}; {LAYOUT}.")
    return content


def _entries(content, key):
    """Returns the entries of a list, {} for those that are no dicts."""
    return [entry if isinstance(entry, dict) else {} for entry in content[key]]


def _categories(file, content):
    pairs = [(entry.get("id"), entry.get("name")) for entry in _entries(content, "categories")]
    if not all(isinstance(identifier, int) and isinstance(label, str) for identifier, label in pairs):
        raise ArgumentError(f"{file}: every category must have a whole number as its id, and a name.")
    categories = dict(sorted(pairs))
    if not categories or len(categories) < len(pairs):
        raise ArgumentError(f"{file} must have categories, and no two with the same id.")
    return categories


def _find(table, key):
    """Returns `table.get(key)`, and None for a key that is not hashable."""
    return table.get(key) if isinstance(key, collections.abc.Hashable) else None


def _images(folder, file, content, problems):
    """Returns {id: `AnnotatedImage`}, with no objects yet."""
    images = {}
    for position, entry in enumerate(_entries(content, "images"), 1):
        identifier, file_name = entry.get("id"), entry.get("file_name")
        with problems.leave_out(f"{file}: image {position} ({file_name})", IMAGE_LEFT_OUT):
            if not isinstance(identifier, int | str) or not isinstance(file_name, str):
                raise Damage("it has no id or no file_name")
            if identifier in images:
                raise Damage(f"another image has its id={identifier}, too")
            images[identifier] = AnnotatedImage(
                name=f"{file}: image id={identifier}",
                file=pathlib.Path(folder) / file_name,
                width=number(entry.get("width")),
                height=number(entry.get("height")),
                objects=[],
            )
    return images


def _add_objects(file, content, categories, images, problems):
    classes = {identifier: index for index, identifier in enumerate(categories)}
    for position, entry in enumerate(_entries(content, "annotations"), 1):
        label = _find(categories, entry.get("category_id"))
        name = f"{file}: annotation {entry.get('id', position)} ({label})"
        with problems.leave_out(name):
            image = _find(images, entry.get("image_id"))
            if image is None:
                raise Damage(f"there is no image with its image_id={entry.get('image_id')}")
            if label is None:
                raise Damage(f"there is no category with its category_id={entry.get('category_id')}")
            image.objects.append(
                AnnotatedObject(
                    name=name,
                    stated=f"bbox={entry.get('bbox')}",
                    box=_box(entry.get("bbox")),
                    index=classes[entry["category_id"]],
                    ignored=bool(entry.get("iscrowd")),
                    area=number(entry.get("area")),
                )
            )


def _box(bbox):
    values = [number(value) for value in bbox] if isinstance(bbox, list) else []
    if len(values) != 4 or None in values:
        raise Damage(f"bbox={reprlib.repr(bbox)} is not four numbers")
    x, y, width, height = values
    for side, value in (("width", width), ("height", height)):
        if value <= 0:
            raise Damage(f"bbox={bbox}: its {side} is not positive")
    return [x, y, x + width, y + height]
