"""`csv:PATH`: tables of boxes, a row for each object: file, x1, y1, x2, y2 and class.

PATH is a CSV file, or a folder with `train.csv` and `val.csv` (or `valid.csv`, `test.csv`). A file may have a column
`split`, with the names of `trainers.data.split_names`; of the images of a file without, a tenth is held out. The first
line may name the columns, in any order, also as `filename`, `xmin`, `ymin`, `xmax`, `ymax` and `label`; `width` and
`height` of the image may be among them. Without names, the columns are in the order above, as in keras-retinanet. A row
with a file alone is an image without objects. Files are relative to the CSV file, and need no ending: `a` is `a.jpg`.

Of Open Images (`annotations/SPLIT-annotations-bbox.csv`, `images/SPLIT/ID.jpg`), PATH is the folder of both, or a file.

Coordinates count from 0, in pixels; if all lie within 0..1, they are shares of the image's sides. The labels are the
names of the objects, sorted.
"""

import dataclasses
import functools
import os
import pathlib
import re

from keras_resnets.errors import ArgumentError
from trainers.data.detection_dataset import DetectionDataset
from trainers.data.registry import Purpose
from trainers.data.sources.annotated_files import AnnotatedImage, AnnotatedObject, file_dataset, number
from trainers.data.sources.csv_files import (
    CLASS,
    FILE,
    SIDES,
    SPLIT,
    named_columns,
    read_rows,
    rows_by_split,
    split_files,
    splits_of,
)
from trainers.data.sources.image_index import ImageIndex
from trainers.data.sources.problems import Damage, Problems
from trainers.data.sources.split_words import split_word
from trainers.data.split_names import OLDER_RUNS

OPEN_IMAGES, ANNOTATIONS = "*-annotations-bbox.csv", "annotations"  # its files of boxes, and their folder
LAYOUT = "expected is a file with the columns file,x1,y1,x2,y2,class, or a folder with train.csv and val.csv"
SIZE = ("width", "height")
COLUMNS = ("file", *SIDES, "class")
COLUMN_NAMES = {
    "file": FILE,
    **SIDES,
    "class": CLASS,
    "split": SPLIT,
    **{side: (side,) for side in SIZE},
}


def open_csv(
    path: str,
    strict: bool,
    labels: tuple[str, ...] | None = None,
    purpose: Purpose = "training",
    measured: str | None = None,
) -> DetectionDataset:
    """Opens a table of boxes.

    Args:
        path: see above.
        strict: whether a damaged file or object is an error; if not, it is reported on stderr and skipped.
        labels: of the run that the data are for; None to find them.
        purpose: what the data set is for; of one to be measured with alone, no training image needs an object.
        measured: the split that this run was measured with. A run that recorded none did not read the column `split`.

    Raises:
        ArgumentError: if files are missing, no image or object can be used, or, if strict, one is damaged.
    """
    with Problems(f"csv:{path}", strict) as problems:
        files = _files(pathlib.Path(path), problems)
        older = measured == OLDER_RUNS or (measured is None and bool(labels) and purpose == "training")
        parts, split = _by_split(files, len(files) == 1 and not older, measured, problems)
        labels = labels or sorted({row["class"] for part in parts for _, row in part or () if row["class"]})
        classes = {label: index for index, label in enumerate(labels)}
        train, test = (part and _images(file, part, classes, problems) for part, file in zip(parts, (files * 2)[:2]))
        dataset = file_dataset(labels, train, test, LAYOUT, problems, purpose=purpose)
        return dataclasses.replace(dataset, measured=split)


def _files(path, problems):
    """Returns the files of the splits; of Open Images, which has other tables beside them, those of boxes."""
    for folder in (path, path / ANNOTATIONS):
        if any(folder.glob(OPEN_IMAGES)):
            return split_files(folder, LAYOUT, problems, OPEN_IMAGES)
    return split_files(path, LAYOUT, problems)


def _by_split(files, reads_splits, measured, problems):
    """Returns the rows of both splits, None for no test split, and the name of the latter in the column "split"."""
    train, *test = (read_rows(file, LAYOUT, _reader, problems) for file in files)
    if not reads_splits:
        return (train, test[0] if test else None), None
    splits = splits_of(train, measured, problems)
    return rows_by_split(train, splits, problems), splits.test


def _reader(file, lines, problems):
    """Returns the function that reads a row, and the number of lines before the first row."""
    columns, start = _columns(file, lines[0], problems)
    return functools.partial(_row, columns), start


def _columns(file, first, problems):
    """Returns {column: its position}, and the number of lines before the first row."""
    first = [cell.strip().lower() for cell in first]
    named = named_columns(file, first, COLUMN_NAMES, problems)
    if named.keys() >= set(COLUMNS):
        return named, 1
    if len(first) == len(COLUMNS) and (any(map(_is_number, first[1:5])) or not any(first[1:])):
        return dict(zip(COLUMNS, range(len(COLUMNS)))), 0
    raise ArgumentError(
        f"--dataset={problems.dataset}: {file} begins with {','.join(first)[:80]!r}, which is neither a row nor the "
        f"names of the columns; {LAYOUT}."
    )


def _is_number(text):
    return number(text) is not None


def _row(columns, line):
    if len(line) <= max(columns.values()) and any(cell.strip() for cell in line[1:]):
        raise Damage("too few columns", ",".join(line))
    cells = [*line, *[""] * len(columns)]
    row = {column: cells[position].strip() for column, position in columns.items()}
    if not row["file"]:
        raise Damage("no file", ",".join(line))
    return row


def _folders(file):
    """Returns the folder with the images of a file, and the one that its paths are relative to.

    Open Images has its tables in a folder beside the images, and identifiers without split or ending for paths.
    """
    folder = pathlib.Path(os.path.abspath(file.parent))
    if not file.match(OPEN_IMAGES):
        return file.parent, None
    root = folder.parent if folder.name == ANNOTATIONS else folder
    split = split_word(file.stem)
    return root, next((near for near in (root / "images" / split, root / split) if near.is_dir()), None)


def _images(file, rows, classes, problems):
    """Returns `AnnotatedImage`s, each with the objects of all rows of its file."""
    folder, near = _folders(file)
    images, index = {}, ImageIndex(folder, problems, outside=True)
    for name, row in rows:
        with problems.leave_out("row", name):
            path = index.find(name, [row["file"]], near)
            size = (number(row.get(side)) for side in SIZE)
            image = images.setdefault(path, AnnotatedImage(name, path, [], *size))
            if any(row[column] for column in (*SIDES, "class")):
                with problems.leave_out("object", name):
                    image.objects.append(_object(name, row, classes))
    return list(images.values())


def _object(name, row, classes):
    stated = " ".join(f"{side}={row[side]}" for side in SIDES)
    box = [number(row[side]) for side in SIDES]
    if not row["class"]:
        raise Damage("no class", stated)
    if row["class"] not in classes:
        raise Damage("no such class in the data set", row["class"])
    if any(re.fullmatch(r"-?\d+,\d+", row[side]) for side in SIDES):
        raise Damage("box with decimal commas: write points", stated)
    if None in box:
        raise Damage("box that is not four numbers", stated)
    x1, y1, x2, y2 = box
    if x2 <= x1 or y2 <= y1:
        raise Damage("box whose x2 or y2 is not larger than x1 or y1", stated)
    return AnnotatedObject(name, stated, box, classes[row["class"]])
