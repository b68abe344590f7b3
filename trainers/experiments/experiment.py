"""What an experiment is: members that are trained or measured one by one, and a report of all of them."""

import dataclasses
import fcntl
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Callable

from keras_resnets.errors import ArgumentError
from trainers.data.registry import absolute
from trainers.runtime.atomic_files import write_json, write_text

LOCK = "member.lock"  # in a member's folder
FIGURES = "figures.json"  # likewise, of a complete member


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of a report.

    Attributes:
        title: its heading.
        columns: their headings.
        rows: lists of as many texts.
    """

    title: str
    columns: tuple[str, ...]
    rows: list[list[str]]


@dataclasses.dataclass(frozen=True)
class Report:
    """What an experiment has shown.

    Attributes:
        tables: a list of `Table`s.
        verdict: sentences, computed from the figures.
        draw: function of a folder that writes pictures there, PNG files, and returns their paths.
    """

    tables: list
    verdict: list[str]
    draw: Callable


@dataclasses.dataclass(frozen=True)
class Experiment:
    """One of the papers' experiments.

    Attributes:
        title: heading of its report.
        source: the paper, and where in it.
        found: what the paper found, a sentence.
        datasets: values of --dataset that it can use, the first of which is the default; one that ends in ":" stands
            for all that begin so.
        members: function of a `Setting` that returns a dict of functions by the members' names. A member is a function
            of a folder that trains or measures there, and returns its figures, a dict that JSON can hold. It goes on
            where it was interrupted. One that needs another one asks for it by `run_member`.
        report: function of the figures, a dict by the members' names, that returns a `Report`.
        full_dataset: the default of --scale=full, where it is another one.
    """

    title: str
    source: str
    found: str
    datasets: tuple[str, ...]
    members: Callable
    report: Callable
    full_dataset: str | None = None

    def choose_dataset(self, name, quick):
        """Returns the value of --dataset, or the default where it is None.

        Raises:
            ArgumentError: for a data set that the experiment cannot use.
        """
        if name is None:
            return self.datasets[0] if quick else self.full_dataset or self.datasets[0]
        if any(name == known or known.endswith(":") and name.startswith(known) for known in self.datasets):
            return name
        known = ", ".join(f"{one}..." if one.endswith(":") else one for one in self.datasets)
        raise ArgumentError(f"--dataset={name} is not for this experiment: use {known}.")


@dataclasses.dataclass(frozen=True)
class Setting:
    """How an experiment is run.

    Attributes:
        folder: of the experiment; a member's folder is in it, and has its name.
        dataset: value of --dataset.
        quick: whether to end in half an hour on two cores, with less of everything, instead of the paper's schedule.
        data_dir: where TensorFlow Datasets keeps its data; None for its default.
        download: whether it may download what is missing.
    """

    folder: os.PathLike
    dataset: str
    quick: bool
    data_dir: str | None = None
    download: bool = False

    def described(self):
        """Returns what the figures depend on, a dict of texts: the values of --dataset and --scale."""
        return {"dataset": absolute(self.dataset), "scale": "quick" if self.quick else "full"}


def run_member(folder, function):
    """Returns a member's figures: those of figures.json in its folder or, where there is none, those that it finds.

    Of several processes that ask for the same member, one finds them, and the others wait. The file also has the
    versions of what they were found with.
    """
    file = folder / FIGURES
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / LOCK, "a") as lock:
        _wait_for(lock, folder)
        if not file.exists():
            write_json(file, {"figures": function(folder), "versions": _versions()})
    return read_member(folder)["figures"]


def read_member(folder):
    """Returns the content of a complete member's figures.json: `figures` and `versions`, or None if it is incomplete.

    Raises:
        ArgumentError: if the file is damaged.
    """
    file = folder / FIGURES
    return _read(file, "figures", "versions") if file.exists() else None


def _versions():
    packages = {name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "numpy")}
    return {"python": platform.python_version(), **packages}


def _read(file, *keys):
    """Returns the content of a file, a dict of `keys`."""
    try:
        content = json.loads(file.read_text())
    except ValueError as error:
        raise ArgumentError(f"{file} is damaged ({error}): remove it, and give the same command again.") from error
    if not isinstance(content, dict) or content.keys() != {*keys}:
        raise ArgumentError(
            f"{file} has not {' and '.join(keys)}, and is damaged or of another version: remove it, and give the same "
            "command again."
        )
    return content


def _take(lock):
    """Takes the lock of an open file and returns True, unless another process has it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait_for(lock, folder):
    if not _take(lock):
        print(f"waiting for another process, which runs {folder.name}", file=sys.stderr)
        fcntl.flock(lock, fcntl.LOCK_EX)


def check_setting(setting):
    """Checks that the experiment's folder was begun with the same setting, or begins it.

    A folder where no member has anything, whose data set could not be opened, for example, may be begun again.

    Raises:
        ArgumentError: if it was begun with another one.
    """
    file, content = setting.folder / "setting.json", setting.described()
    if not file.exists() or all(map(_is_free_lock, setting.folder.glob("*/*"))):
        setting.folder.mkdir(parents=True, exist_ok=True)
        write_json(file, content, shared=True)
    begun = _read(file, *content)
    if begun != content:
        raise ArgumentError(
            f"{setting.folder} holds this experiment with --dataset={begun['dataset']} --scale={begun['scale']}: "
            "repeat these to go on with it, or choose another --output."
        )


def _is_free_lock(path):
    """Whether a file is a member's lock, of a process that has ended."""
    if path.name != LOCK:
        return False
    with open(path) as lock:
        return _take(lock)


def write_report(setting, experiment, members):
    """Writes README.md, results.json and the pictures of an experiment into its folder.

    Args:
        setting: a `Setting`.
        experiment: an `Experiment`.
        members: a dict by its members' names of what `read_member` returns.

    Returns:
        The path of README.md.
    """
    figures = {name: member["figures"] for name, member in members.items()}
    report, folder = experiment.report(figures), setting.folder
    pictures = report.draw(folder)
    source = f"{experiment.source}. The paper: {experiment.found}"
    settings = {**setting.described(), **_all_versions([member["versions"] for member in members.values()])}
    parts = [f"# {experiment.title}", source, " ".join(report.verdict), f"Settings: {listed(settings)}."]
    for table in report.tables:
        parts += [f"## {table.title}", markdown(table.columns, table.rows)]
    parts += [f"![{picture.stem}]({picture.name})" for picture in pictures]
    results = {
        "title": experiment.title,
        "source": source,
        "verdict": report.verdict,
        "tables": [dataclasses.asdict(table) for table in report.tables],
        "pictures": [picture.name for picture in pictures],
        "settings": settings,
        "members": figures,
    }
    write_json(folder / "results.json", results, shared=True)
    path = folder / "README.md"
    write_text(path, "\n\n".join(parts) + "\n", shared=True)
    return path


def _all_versions(found):
    """Returns, of dicts of versions, one of all versions of each name."""
    return {name: ", ".join(sorted({one[name] for one in found})) for name in found[0]}


def listed(values):
    """Returns a dict as a text."""
    return ", ".join(f"{name} {value}" for name, value in values.items())


def markdown(columns, rows):
    """Returns a table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
