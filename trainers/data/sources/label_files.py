"""Files of labels whose images are missing."""

import functools
import os
import pathlib
import re
from collections.abc import Iterable

from trainers.data.image_files import PassedOver, files_below, kind_of, listing
from trainers.data.sources.problems import Problems

LABELS = re.compile(rb"\s*\d+(?:\.0*)?(?:[ \t]+[-+.\deE]+){4}")  # the first line of labels; other texts are no labels


def report_without_image(label_files: Iterable[pathlib.Path], problems: Problems) -> None:
    """Reports the files of labels, in the folders of known ones, that have objects, but no image.

    The image of `labels/a.txt` is `images/a` or `labels/a`, with any ending: other files than images are counted
    elsewhere, and an image may be one of another split.

    Args:
        label_files: of images, which need not exist.
        problems: where they are reported.
    """
    folders = {file.parent for file in label_files}
    outer = [folder for folder in folders if folder.is_dir() and not folders & set(folder.parents)]
    names = functools.cache(_names)
    for file in sorted({file for folder in outer for file in files_below(folder, [".txt"], PassedOver())}):
        if not any(file.stem in names(folder) for folder in _image_folders(file.parent)) and _has_labels(file):
            problems.report("label file", file, "no image of its name")


def _image_folders(folder):
    """Returns a folder of labels, and those where Ultralytics looks for its images."""
    parts = folder.parts
    places = [i for i, part in enumerate(parts) if part == "labels"]
    return [folder, *(pathlib.Path(*parts[:i], "images", *parts[i + 1 :]) for i in places)]


def _names(folder):
    """Returns the names, without endings, of the files in a folder that are no texts."""
    entries = listing(folder) if folder.is_dir() else []
    return {os.path.splitext(entry.name)[0] for entry in entries if kind_of(entry) not in (None, ".txt")}


def _has_labels(file):
    with open(file, "rb") as content:
        return LABELS.match(content.read(1000)) is not None
