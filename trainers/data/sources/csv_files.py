"""CSV files with a row for each object or image: the common part of `csv:` for detection and for classification."""

import csv
import io
import pathlib
from collections.abc import Callable, Mapping, Sequence

from keras_resnets.errors import ArgumentError
from trainers.data.sources.problems import Problems, counted
from trainers.data.sources.split_words import split_word
from trainers.data.sources.text_files import read_text
from trainers.data.split_names import MEASURED, OLDER_RUNS, TRAINING, SplitNames, choose_splits

DELIMITERS = ",;\t"
# Names of columns, in lower case, for those that readers call "file", "class" and "split", best first.
FILE = ("file", "filename", "file_name", "filepath", "path", "image", "image_path", "image_name", "image_id", "imageid")
CLASS = ("class", "label", "class_name", "classname", "label_name", "labelname", "category", "target")
SPLIT = ("split", "subset", "set", "partition", "data set")
SIDES = {
    "x1": ("x1", "xmin", "x_min", "left"),
    "y1": ("y1", "ymin", "y_min", "top"),
    "x2": ("x2", "xmax", "x_max", "right"),
    "y2": ("y2", "ymax", "y_max", "bottom"),
}
Row = tuple[str, dict[str, str]]  # its name for messages, and {column: text}


def split_files(
    path: pathlib.Path, layout: str, problems: Problems, pattern: str = "*.csv", held_out: bool = False
) -> list[pathlib.Path]:
    """Returns the CSV files of the training split and, if there is one, of the split to measure with.

    Args:
        path: a CSV file of both splits or of one; or a folder with one CSV file, or one for each split, which may be
            in a folder of its own, as Roboflow's `train/_classes.csv`.
        layout: the expected files, for messages.
        problems: where the splits that are not used are said.
        pattern: of the names of a folder's files.
        held_out: see `trainers.data.split_names.SplitNames.say`.

    Raises:
        ArgumentError: if a folder has several files, but none of training images, or two for one split.
    """
    if not path.is_dir():
        return [path]
    files = sorted(path.glob(pattern)) or sorted(path.glob(f"*/{pattern}"))
    by_split = {}
    for file in files:
        by_split.setdefault(split_of(file, path), []).append(file)
    chosen = choose_splits(by_split)
    if chosen.train is not None:
        used = [by_split[split] for split in (chosen.train, chosen.test) if split is not None]
        for several in (files for files in used if len(files) > 1):
            raise ArgumentError(
                f"--dataset={problems.dataset} has {' and '.join(_names(several[:2], path))} for one split: move "
                f"one of them away; {layout}."
            )
        chosen.say(problems.dataset, held_out)
        if others := _names(by_split.get("", ()), path):
            problems.say(f"{counted(len(others), 'file')} without the name of a split: not used (e.g. {others[0]})")
        return [files[0] for files in used]
    if len(files) != 1:
        found = ", ".join(_names(files, path)) or "no CSV file"
        raise ArgumentError(f"--dataset={problems.dataset} has no train.csv (found: {found}); {layout}.")
    return files


def split_of(file: pathlib.Path, path: pathlib.Path) -> str:
    """Returns the word of a file's name, or of its folder in `path`, that names a split; "" if none does."""
    return split_word(file.relative_to(path).with_suffix("")) if file != path else ""


def _names(files, path):
    return [str(file.relative_to(path)) for file in files]


def read_lines(file: pathlib.Path, layout: str, problems: Problems) -> list[list[str]]:
    """Returns the cells of each line; commas, semicolons or tabs are between them, whichever the first line has most.

    Raises:
        ArgumentError: if the file cannot be read, is empty, or is not UTF-8.
    """
    try:
        text = read_text(file)
        first, _, _ = text.partition("\n")
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=max(DELIMITERS, key=first.count)))
    except (OSError, csv.Error) as error:
        raise ArgumentError(f"--dataset={problems.dataset}: {file} cannot be read ({error}); {layout}.") from error
    if not text.strip():
        raise ArgumentError(f"--dataset={problems.dataset}: {file} is empty; {layout}.")
    return lines


def read_rows(
    file: pathlib.Path,
    layout: str,
    reader: Callable[[pathlib.Path, list[list[str]], Problems], tuple[Callable[[list[str]], dict[str, str]], int]],
    problems: Problems,
) -> list[Row]:
    """Returns the rows of a table. Lines without text are none, and those with a `Damage` are left out.

    Args:
        file: the table.
        layout: the expected files, for messages.
        reader: function from the file, its lines and `problems` to a function from a row's cells to {column: text}, and
            to the number of lines before the first row.
        problems: where rows that are left out are counted.

    Raises:
        ArgumentError: if the file cannot be read, or there is no row.
    """
    lines = [(i, cells) for i, cells in enumerate(read_lines(file, layout, problems), 1) if any(map(str.strip, cells))]
    read, start = reader(file, [cells for _, cells in lines], problems)
    if not lines[start:]:
        raise ArgumentError(f"--dataset={problems.dataset}: {file} has the names of the columns, but no row.")
    rows = []
    for position, cells in lines[start:]:
        name = f"{file}: line {position}"
        with problems.leave_out("row", name):
            rows.append((name, read(cells)))
    return rows


def named_columns(
    file: pathlib.Path, cells: Sequence[str], columns: Mapping[str, Sequence[str]], problems: Problems
) -> dict[str, int]:
    """Returns {column: its position} for the columns that the first line names.

    Args:
        file: for messages.
        cells: of the first line.
        columns: the names of each column, in lower case, best first.
        problems: where a choice between two names is said.

    Raises:
        ArgumentError: if a name is there twice.
    """
    cells, found = [cell.strip().lower() for cell in cells], {}
    for column, names in columns.items():
        there = [name for name in names if name in cells]
        for name in there[:1]:
            if cells.count(name) > 1:
                raise ArgumentError(f"--dataset={problems.dataset}: {file} has two columns {name!r}: rename one.")
            found[column] = cells.index(name)
        if len(there) > 1:
            problems.say(
                f"{file}: its column {there[0]!r} is read as the {column}, not {' or '.join(map(repr, there[1:]))}"
            )
    return found


def splits_of(rows: Sequence[Row], measured: str | None, problems: Problems) -> SplitNames:
    """Finds the splits in the column "split" of rows. Says so if the column has values, but none that is known.

    Args:
        rows: of a file.
        measured: the split that the run was measured with that the data are for. `OLDER_RUNS` means no choice of its
            own: those of tables took the first split of `MEASURED`.
        problems: where splits are said that are not known.

    Raises:
        ArgumentError: if there is a split to measure with, but none to train on.
    """
    names = {row.get("split", "") for _, row in rows} - {""}
    # Case has no meaning in a column: TRAIN and train are one split, under the name in lower case if it is there.
    by_meaning = {name.lower(): name for name in sorted(names, key=lambda name: (name == name.lower(), name))}
    stated = sorted(by_meaning.values())
    splits = choose_splits(stated, None if measured == OLDER_RUNS else measured)
    if splits.train is None and splits.test is not None:
        raise ArgumentError(f"--dataset={problems.dataset} has the split {splits.test!r}, but no 'train'.")
    if stated and splits.train is None:
        problems.say(
            f"its splits are not known ({', '.join(map(repr, stated[:5]))}), and all rows are read as of one split; "
            f"known are {', '.join(TRAINING + MEASURED)}"
        )
    return splits


def rows_by_split(
    rows: Sequence[Row], splits: SplitNames, problems: Problems, held_out: bool = False
) -> tuple[list[Row], list[Row] | None]:
    """Returns the rows of the training split and of the one to measure with, None if there is none; counts the others.

    Args:
        rows: of a file.
        splits: of the rows, see `splits_of`; where there are none, all rows are of the training split.
        problems: where rows that are left out are counted.
        held_out: see `trainers.data.split_names.SplitNames.say`.
    """
    if splits.train is None:
        return list(rows), None
    splits.say(problems.dataset, held_out)
    parts = {name.lower(): [] for name in (splits.train, splits.test, *splits.untouched) if name is not None}
    for name, row in rows:
        if row["split"].lower() in parts:
            parts[row["split"].lower()].append((name, row))
        else:
            problems.report("row", name, f"the split {row['split']!r}, which is not known")
    return parts[splits.train.lower()], None if splits.test is None else parts[splits.test.lower()]
