"""`csv:PATH` for classification: tables of labels, a row for each image: file and label, and maybe split.

PATH is a CSV file, or a folder with `train.csv` and `val.csv` (or `valid.csv`, `test.csv`). The first line may name the
columns, in any order, also as `filename`, `class` and `subset`; a file with an image in its first line has none. The
splits have the names of `trainers.data.split_names`. Files are relative to the CSV file.

In place of the label, there may be a column for each class, with a single 1 in a row, as in Roboflow's
`train/_classes.csv` and `valid/_classes.csv`.
"""

import dataclasses
import functools
import pathlib
import re

from keras_resnets.errors import ArgumentError
from trainers.data.classification_dataset import ImageDataset
from trainers.data.image_files import EXTENSIONS
from trainers.data.registry import Purpose
from trainers.data.sources.annotated_files import twice
from trainers.data.sources.csv_files import (
    CLASS,
    FILE,
    SIDES,
    SPLIT,
    named_columns,
    read_rows,
    rows_by_split,
    split_files,
    split_of,
    splits_of,
)
from trainers.data.sources.image_index import ImageIndex
from trainers.data.sources.labelled_files import file_dataset
from trainers.data.sources.problems import Damage, Problems
from trainers.data.split_names import MEASURED, TRAINING

LAYOUT = "expected is a file with the columns file,label and maybe split, or a folder with train.csv and val.csv"
COLUMNS = {"file": FILE, "label": CLASS, "split": SPLIT}
ONE_HOT = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}
SEVERAL = re.compile(r".*[|;].*|\[.*,.*\]")  # labels of one image that are several


def open_csv(path: str, purpose: Purpose = "training", measured: str | None = None) -> ImageDataset:
    """Opens a table of labels.

    Args:
        path: see above.
        purpose: what the data set is for. It may lack `test` if images are held out, or if it has no splits and is to
            be measured with alone.
        measured: the split that the run was measured with that the data are for: see `splits_of`; None for no run.

    Raises:
        ArgumentError: if a file cannot be read, its columns are not known, an image has several labels, a split is
            missing or empty, or the test split has a class that the training split lacks.
    """
    with Problems(f"csv:{path}", strict=False) as problems:
        split = None
        files = split_files(pathlib.Path(path), LAYOUT, problems, held_out=purpose == "holdout")
        if len(files) == 2:
            train, test = (_images(file, read_rows(file, LAYOUT, _reader, problems), problems) for file in files)
        else:
            is_train = split_of(files[0], pathlib.Path(path)) in TRAINING
            (train, test), split = _splits(files[0], is_train, purpose, measured, problems)
        labels = sorted({label for _, label in train})
        if unknown := sorted({label for _, label in test or ()} - set(labels)):
            raise ArgumentError(
                f"--dataset=csv:{path}: no training image has the label {unknown[0]!r} of an image to measure with."
            )
        return dataclasses.replace(file_dataset(labels, train, test, problems), measured=split)


def _splits(file, is_train, purpose, measured, problems):
    """Returns the training and the test images of a file, and the name of the latter; None where it has none.

    Args:
        file: the file.
        is_train: whether the file itself is the training split.
        purpose: see `open_csv`.
        measured: see `open_csv`.
        problems: where to report what is left out.
    """
    rows = read_rows(file, LAYOUT, _reader, problems)
    splits = splits_of(rows, measured, problems)
    if splits.test is None and purpose == "evaluation" and (is_train or splits.train is not None):
        raise ArgumentError(f"--dataset={problems.dataset} has training images, but none to measure with; {LAYOUT}.")
    if splits.test is None and purpose == "training":
        raise ArgumentError(
            f"--dataset={problems.dataset} names no images to measure with; {LAYOUT}. --holdout=0.2 measures with a "
            "fifth of the images, which is not trained on."
        )
    by_split = rows_by_split(rows, splits, problems, held_out=purpose == "holdout")
    parts = [part and _images(file, part, problems) for part in by_split]
    return parts, splits.test


def _reader(file, lines, problems):
    """Returns the function that reads a row, and the number of lines before the first row."""
    first = [cell.strip() for cell in lines[0]]
    named = named_columns(file, first, {**COLUMNS, **SIDES}, problems)
    if SIDES.keys() <= named.keys():
        raise ArgumentError(
            f"--dataset={problems.dataset}: {file} is a table of boxes, and a classifier gives one label to an image: "
            f"train a detector (trainers.detection); {LAYOUT}."
        )
    columns = {column: named[column] for column in COLUMNS if column in named}
    classes = {place: name for place, name in enumerate(first) if place not in columns.values()}
    if "label" not in columns and "file" in columns and _are_one_hot(lines[1:2], classes):
        if repeated := twice(classes.values()):
            raise ArgumentError(f"--dataset={problems.dataset}: {file} has two columns {repeated[0]!r}: rename one.")
        return functools.partial(_one_hot_row, columns, classes, problems), 1
    columns, start = _columns(file, first, lines, columns, problems)
    return functools.partial(_row, columns), start


def _row(columns, line):
    if len(line) <= max(columns.values()):
        raise Damage("too few columns", ",".join(line))
    return {column: line[place].strip() for column, place in columns.items()}


def _are_one_hot(lines, classes):
    return (
        len(classes) > 1
        and all(len(line) > max(classes) for line in lines)
        and all(line[place].strip().lower() in ONE_HOT for line in lines for place in classes)
    )


def _one_hot_row(columns, classes, problems, line):
    """Returns a row whose label is the name of the only column with a 1."""
    row = _row({**columns, **{place: place for place in classes}}, line)
    if wrong := [row[place] for place in classes if row[place].lower() not in ONE_HOT]:
        raise Damage("a column of a class is neither 0 nor 1", wrong[0])
    labels = [name for place, name in classes.items() if ONE_HOT[row[place].lower()]]
    if len(labels) > 1:
        _refuse(row["file"], " and ".join(map(repr, labels)), problems)
    if not labels:
        raise Damage("no class", row["file"])
    return {**{column: row[column] for column in columns}, "label": labels[0]}


def _columns(file, first, lines, named, problems):
    """Returns {column: its position}, and the number of lines before the first row.

    Args:
        file: for messages.
        first: the cells of the first line.
        lines: of the file.
        named: {column: its position} for the columns that the first line names.
        problems: for messages.
    """
    if {"file", "label"} <= named.keys():
        return named, 1
    images = [place for place, cell in enumerate(first) if pathlib.PurePath(cell).suffix.lower() in EXTENSIONS]
    if images:
        others = [place for place in range(len(first)) if place != images[0]]
        splits = [place for place in others if _are_splits(lines, place)]
        labels = [place for place in others if place not in splits]
        if len(labels) == 1:
            return {"file": images[0], "label": labels[0], **({"split": splits[0]} if splits else {})}, 0
    raise ArgumentError(
        f"--dataset={problems.dataset}: {file} begins with {','.join(first)[:80]!r}, which is neither a row with one "
        f"label nor the names of the columns; {LAYOUT}."
    )


def _are_splits(lines, place):
    return all(len(line) > place and line[place].strip().lower() in TRAINING + MEASURED for line in lines)


def _images(file, rows, problems):
    """Returns the `LabelledFile`s of rows."""
    labels, index = {}, ImageIndex(file.parent, problems, outside=True)
    for name, row in rows:
        with problems.leave_out("row", name):
            if not row["file"] or not row["label"]:
                raise Damage("no file or no label", ",".join(row.values()))
            image = index.find(name, [row["file"]])
            if SEVERAL.fullmatch(row["label"]):
                _refuse(row["file"], repr(row["label"]), problems)
            if image in labels:
                if labels[image] != row["label"]:
                    _refuse(row["file"], f"{labels[image]!r} and {row['label']!r}", problems)
                raise Damage("file that is listed already", row["file"])
            labels[image] = row["label"]
    return list(labels.items())


def _refuse(file, labels, problems):
    raise ArgumentError(
        f"--dataset={problems.dataset}: {file} has the labels {labels}, and a classifier gives one: keep one."
    )
