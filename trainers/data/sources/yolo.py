"""`yolo:PATH`: YOLO's text files, a line for each object: class, center x, center y, width and height of the box.

PATH is a `data.yaml`, or a folder with one. It has the classes, `names`, and `train`, `val` (or `valid`) and maybe
`test`: folders of images, or text files that list images. As in Ultralytics, they are relative to `path`, or to the
folder of data.yaml, and `../` in front of them may be left out. The labels of `images/a.jpg` are in `labels/a.txt`; of
an image that is in no folder `images`, beside it. An image without a file of labels has no object.

A folder without data.yaml has its classes in `classes.txt` (Label Studio, LabelImg) or `obj.names` (Darknet, CVAT). All
images in it are read, as where data.yaml names no split (supervision); folders with `train` and `valid` (or `val`,
`test`) in their names are the splits.

The numbers are shares of the image's width and height. A line of a class and three or more points is a polygon, and has
the box around it. Without `val`, a tenth of the images is held out; `test` is measured with only in its place.
"""

import math
import os
import pathlib
import re
import reprlib

import yaml

from keras_resnets.errors import ArgumentError
from trainers.data.detection_dataset import DetectionDataset
from trainers.data.registry import Purpose
from trainers.data.sources.annotated_files import AnnotatedImage, AnnotatedObject, file_dataset, number, twice
from trainers.data.sources.image_index import ImageIndex
from trainers.data.sources.label_files import report_without_image
from trainers.data.sources.problems import Damage, Problems, counted
from trainers.data.sources.split_words import split_word
from trainers.data.sources.text_files import lines_of, read_text
from trainers.data.split_names import choose_splits

LAYOUT = (
    "expected is a data.yaml with names, train and val, or a folder with it or with classes.txt, images/ID.jpg and "
    "labels/ID.txt"
)
# Endings of labels, lists of images, names, and Darknet's table of these, beside the images.
TEXTS = (".txt", ".yaml", ".yml", ".names", ".data")
NAMES = ("classes.txt", "obj.names")
MOST_CLASSES = 100_000  # that `nc` may be
MARGIN = 0.01  # of the image's sides, by which boxes may lie outside, as in Ultralytics; they are clipped
NULL = ("tag:yaml.org,2002:null", re.compile("(~|null|Null|NULL|)$"))
SPLITS = ("train", "val", "valid", "validation", "test")  # keys of data.yaml


class _Loader(yaml.SafeLoader):
    """Reads all but null as texts, as they are written: YAML's 010 is 8, 1:30 is 90, and no is a truth value."""

    yaml_implicit_resolvers = {"~": [NULL], "n": [NULL], "N": [NULL], "": [NULL]}


def open_yolo(path: str, strict: bool, purpose: Purpose = "training") -> DetectionDataset:
    """Opens data in YOLO's format.

    Args:
        path: see above.
        strict: whether a damaged file or object is an error; if not, it is reported on stderr and skipped.
        purpose: what the data set is for; of one to be measured with alone, no training image needs an object.

    Raises:
        ArgumentError: if files are missing, no image or object can be used, or, if strict, one is damaged.
    """
    with Problems(f"yolo:{path}", strict) as problems:
        file = _yaml_file(pathlib.Path(path))
        labels, splits, points = _from_yaml(file, problems) if file else _from_names(pathlib.Path(path), problems)
        chosen = choose_splits(splits)
        if chosen.train is None:
            found = f"only {', '.join(splits)}" if splits else f"no image in {file.parent if file else path}"
            raise ArgumentError(f"--dataset=yolo:{path} has no images to train on ({found}); {LAYOUT}.")
        chosen.say(problems.dataset)
        root = file.parent if file else pathlib.Path(path)
        files = [name and splits[name]() for name in (chosen.train, chosen.test)]
        train, test = (part and [_image(image, root, labels, points, problems) for image in part] for part in files)
        report_without_image([_label_file(image, root) for part in files for image in part or ()], problems)
        return file_dataset(labels, train, test, LAYOUT, problems, relative=True, purpose=purpose)


def _yaml_file(path):
    if path.suffix.lower() in (".yaml", ".yml"):
        return path
    files = sorted([*path.glob("*.yaml"), *path.glob("*.yml")])
    named = [file for file in files if file.stem == "data"] or files
    if len(named) > 1:
        raise ArgumentError(f"--dataset=yolo:{path} has {named[0].name} and {named[1].name}: pass the path of one.")
    return named[0] if named else None


def _from_yaml(file, problems):
    """Returns the labels, {split: function that returns its image files}, and the numbers that keypoints add."""
    try:
        content = yaml.load(read_text(file), _Loader)
    except ArgumentError:
        raise
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise ArgumentError(f"--dataset={problems.dataset}: {file} cannot be read ({error}); {LAYOUT}.") from error
    if not isinstance(content, dict):
        raise ArgumentError(f"{file} has no names, train and val; {LAYOUT}.")
    stated = _text(file, "path", content.get("path") or "").replace("\\", "/")
    splits = {
        split: lambda split=split: _listed_images(file, split, content[split], stated, problems)
        for split in SPLITS
        if content.get(split)
    }
    shape = content.get("kpt_shape")
    points = math.prod(number(side) or 0 for side in shape) if isinstance(shape, list) else 0
    return _labels_of(file, content), splits or _folder_splits(file.parent, problems), int(points)


def _labels_of(file, content):
    names = content.get("names")
    if isinstance(names, dict):
        numbers = [str(index) for index in range(len(names))]
        if set(names) != set(numbers):
            raise ArgumentError(f"{file}: the numbers of its names must be 0, 1 ... {len(names) - 1}.")
        names = [names[index] for index in numbers]
    if names is None and content.get("nc") is not None:
        names = [f"class_{index}" for index in range(_class_count(file, content["nc"]))]
    if not isinstance(names, list | None):
        raise ArgumentError(f"{file}: names must be a list, or numbers with names.")
    return _unique(file, [_text(file, "a name", name).strip() for name in names or ()])


def _class_count(file, stated):
    count = number(_text(file, "nc", stated))
    if count is None or not count.is_integer() or not 0 < count <= MOST_CLASSES:
        raise ArgumentError(f"{file}: nc={reprlib.repr(stated)} must be a whole number from 1 to {MOST_CLASSES}.")
    return int(count)


def _text(file, key, value):
    """Returns a text of data.yaml."""
    if not isinstance(value, str):
        what = "empty" if value is None else f"a {type(value).__name__}"
        raise ArgumentError(f"{file}: {key} is {what}, not a text: quote it.")
    return value


def _unique(file, labels):
    if not labels or twice(labels):
        named = f": {twice(labels)[0]} is there twice" if labels else ""
        raise ArgumentError(f"{file} must have the names of the classes, and none twice{named}.")
    return labels


def _from_names(root, problems):
    files = [root / name for name in NAMES if (root / name).is_file()]
    if not files:
        raise ArgumentError(f"--dataset=yolo:{root} has neither a data.yaml nor a {' or '.join(NAMES)}; {LAYOUT}.")
    return _unique(files[0], lines_of(files[0])), _folder_splits(root, problems), 0


def _folder_splits(root, problems):
    """Returns {split: function that returns its image files}, by the names of the folders."""
    by_split = {}
    for image in _images_in(root, problems):
        by_split.setdefault(split_word(image.parent.relative_to(root)), []).append(image)
    if set(by_split) == {""}:
        by_split = {"train": by_split[""]}
    if "" in by_split:
        problems.say(f"{counted(len(by_split['']), 'image')} outside of the folders of splits: not used")
    return {split: lambda images=images: images for split, images in by_split.items()}


def _listed_images(file, split, stated, root, problems):
    """Returns the image files of a split, whose folders and lists of files data.yaml states, and `root`, its path."""
    images = []
    for entry in stated if isinstance(stated, list) else [stated]:
        path = _existing(_text(file, split, entry).replace("\\", "/"), file, root, problems)
        if path.is_dir():
            images += _images_in(path, problems)
        else:
            images += _images_in_list(path, problems)
    if not images:
        raise ArgumentError(f"--dataset={problems.dataset}: {split} of {file} has no image: {path} has none; {LAYOUT}.")
    return images


def _images_in(folder, problems):
    """Returns the image files below a folder, and says what else is there."""
    index = ImageIndex(folder, problems)
    files = index.files
    index.say_passed_over(*TEXTS)
    return files


def _images_in_list(file, problems):
    index, images = ImageIndex(file.parent, problems, outside=True), []
    for line in lines_of(file):
        with problems.leave_out("image", f"{file}: {line}"):
            images.append(index.find(file, [line]))
    return images


def _existing(stated, file, root, problems):
    """Returns a path of data.yaml that exists: as it is stated, in the folder of data.yaml, or without its first parts.

    Args:
        stated: the path of a split.
        file: the data.yaml.
        root: its `path`, which may be another machine's; "" for none.
        problems: where to say what else is used.
    """
    home = pathlib.Path(os.path.normpath(file.parent / root))
    inner = pathlib.PurePosixPath(stated)
    if not home.is_dir() and root and inner.is_relative_to(root):
        inner = inner.relative_to(root)
    for start in range(len(inner.parts)):
        for folder in (home, file.parent):
            path = folder.joinpath(*inner.parts[start:])
            if os.path.exists(path):
                if start and inner.parts[start:] == ("images",):  # of another split, maybe
                    continue
                if set(inner.parts[:start]) - {".."} or not home.is_dir():
                    detail = f"{home / stated}, but {path}"
                    problems.note("path", file, "it does not exist", detail, "the latter is used")
                return path
    remedy = "" if home.is_dir() else f": delete its line 'path: {root}', or state the folder of the data set"
    raise ArgumentError(f"--dataset={problems.dataset}: {stated} of {file} does not exist in {home}{remedy}; {LAYOUT}.")


def _image(file, root, labels, points, problems):
    """Returns an `AnnotatedImage` whose boxes are shares of its sides."""
    text_file = _label_file(file, root)
    if not text_file.is_file():
        problems.note("image", file, "no file of labels", str(text_file), "read without objects")
        return AnnotatedImage(str(file), file, [])
    lines = text_file.read_text("utf-8-sig", errors="replace").splitlines()
    objects = []
    for position, line in enumerate(map(str.strip, lines), 1):
        name = f"{text_file}: line {position}"
        with problems.leave_out("object", name):
            if line:
                index, box = _object(line, labels, points)
                objects.append(AnnotatedObject(name, line, box, index))
    return AnnotatedImage(str(text_file), file, objects)


def _label_file(image, root):
    """Returns Ultralytics's path: the last folder `images` becomes `labels`, and the ending .txt.

    A folder `images` above the data set's `root` may be no part of it: the file beside the image is then taken first.
    """
    inner = len(root.parts) if image.is_relative_to(root) else 0
    folders = [i for i, part in enumerate(image.parts[:-1]) if part == "images"][-1:]
    paths = [pathlib.Path(*image.parts[:i], "labels", *image.parts[i + 1 :]) for i in folders]
    paths = [image, *paths] if folders and folders[0] < inner else [*paths, image]
    files = [path.with_suffix(".txt") for path in paths]
    return next((file for file in files if file.is_file()), files[0])


def _object(line, labels, points):
    """Returns the class of a line and its box, [x1, y1, x2, y2] as shares."""
    values = [number(word) for word in line.split()]
    if None in values:
        raise Damage("not numbers alone", line)
    index, *values = values
    if not index.is_integer() or not 0 <= index < len(labels):
        raise Damage(f"no such class: the data set has 0 to {len(labels) - 1}", line)
    box = _box(values[: len(values) - points] if points else values, line)
    if box[0] >= box[2] or box[1] >= box[3]:
        raise Damage("box without width or height", line)
    if min(box) < -MARGIN or max(box) > 1 + MARGIN:
        raise Damage("not shares of the image's sides, 0 to 1", line)
    return int(index), box


def _box(values, line):
    if len(values) == 4:
        x, y, width, height = values
        return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    if len(values) >= 6 and len(values) % 2 == 0:
        x, y = values[::2], values[1::2]
        return [min(x), min(y), max(x), max(y)]
    raise Damage("neither a class and a box, nor a class and a polygon", line)
