"""An experiment: members that are trained or measured one by one, and a report on all of them."""

import dataclasses
import importlib.metadata
import json
import pathlib
import platform
import sys
from collections.abc import Callable

from keras_resnets.errors import ArgumentError
from keras_resnets.file_lock import is_locked, locked
from trainers.data.registry import absolute
from trainers.runtime.atomic_files import write_json, write_text

LOCK = "member.lock"  # file in a member's folder
FIGURES = "figures.json"  # file in the folder of a complete member
Trial = Callable[[pathlib.Path], dict]  # runs a member of an experiment in a folder; returns its figures


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of a report.

    Attributes:
        title: heading of the table.
        columns: headings of the columns.
        rows: lists of texts, one for each column.
    """

    title: str
    columns: tuple[str, ...]
    rows: list[list[str]]


@dataclasses.dataclass(frozen=True)
class Report:
    """The results of an experiment.

    Attributes:
        tables: list of `Table`s.
        verdict: sentences that are computed from the figures.
        draw: function of a folder that writes PNG files into it and returns their paths.
    """

    tables: list[Table]
    verdict: list[str]
    draw: Callable[[pathlib.Path], list[pathlib.Path]]


@dataclasses.dataclass(frozen=True)
class Setting:
    """The choices that an experiment is run with.

    Attributes:
        folder: folder of the experiment; each member has a subfolder with its name.
        dataset: value of --dataset.
        quick: True for shallower nets and less training, to end in half an hour on two cores; False for the schedule of
            the paper.
        data_dir: folder of TensorFlow Datasets' data; None for its default.
        download: whether TensorFlow Datasets may download missing data.
    """

    folder: pathlib.Path
    dataset: str
    quick: bool
    data_dir: str | None = None
    download: bool = False

    def described(self) -> dict[str, str]:
        """Returns the settings that the figures depend on: the values of --dataset and --scale."""
        return {"dataset": absolute(self.dataset), "scale": "quick" if self.quick else "full"}


@dataclasses.dataclass(frozen=True)
class Experiment:
    """One of the papers' experiments.

    Attributes:
        title: heading of the report.
        source: the paper, and the section, table or figure.
        found: the paper's finding, a sentence.
        datasets: accepted values of --dataset; a value that ends in ":" accepts all that begin with it. The first one
            is the default.
        members: function of a `Setting` that returns the members, functions by their names. A member takes a folder,
            trains or measures in it, and returns its figures, a dict for JSON. If it was interrupted, it continues. It
            gets the figures of another member from `run_member`.
        report: function of the figures, a dict by the members' names, that returns a `Report`.
        full_dataset: default of --scale=full; None for the same as above.
    """

    title: str
    source: str
    found: str
    datasets: tuple[str, ...]
    members: Callable[[Setting], dict[str, Trial]]
    report: Callable[[dict[str, dict]], Report]
    full_dataset: str | None = None

    def choose_dataset(self, name: str | None, quick: bool) -> str:
        """Returns the value of --dataset, or the default if it is None.

        Raises:
            ArgumentError: if the experiment does not accept the data set.
        """
        if name is None:
            return self.datasets[0] if quick else self.full_dataset or self.datasets[0]
        if any(name == known or known.endswith(":") and name.startswith(known) for known in self.datasets):
            return name
        known = ", ".join(f"{one}..." if one.endswith(":") else one for one in self.datasets)
        raise ArgumentError(f"--dataset={name} is not for this experiment: use {known}.")


def run_member(folder: pathlib.Path, member: Trial) -> dict:
    """Returns the figures of a member, and runs it if figures.json in its folder does not exist.

    If several processes ask for the same member, one runs it and the others wait. The file also holds the versions of
    the packages that the figures were computed with.

    Args:
        folder: the member's folder.
        member: one of `Experiment.members`.
    """
    file = folder / FIGURES
    folder.mkdir(parents=True, exist_ok=True)

    def say_so():
        print(f"waiting for another process that runs {folder.name}", file=sys.stderr)

    with locked(folder / LOCK, on_wait=say_so):
        if not file.exists():
            write_json(file, {"figures": member(folder), "versions": _versions()})
    return read_member(folder)["figures"]


def read_member(folder: pathlib.Path) -> dict | None:
    """Returns `figures` and `versions` of a complete member, a dict, or None if the member is incomplete.

    Raises:
        ArgumentError: if figures.json is damaged.
    """
    file = folder / FIGURES
    return _read(file, "figures", "versions") if file.exists() else None


def _versions():
    packages = {name: importlib.metadata.version(name) for name in ("tensorflow", "keras", "numpy")}
    return {"python": platform.python_version(), **packages}


def _read(file, *keys):
    """Returns the content of a JSON file, a dict with these keys."""
    try:
        content = json.loads(file.read_text())
    except ValueError as error:
        raise ArgumentError(f"{file} is damaged ({error}): remove it and repeat the command.") from error
    if not isinstance(content, dict) or content.keys() != {*keys}:
        raise ArgumentError(
            f"{file} does not hold {' and '.join(keys)}: it is damaged or of another version. Remove it and repeat the "
            "command."
        )
    return content


def check_setting(setting: Setting) -> None:
    """Checks that the experiment's folder was begun with this setting, or begins a new one.

    A folder in which no member has written anything, because its data set could not be opened, for example, counts as
    new.

    Raises:
        ArgumentError: if the folder was begun with another setting.
    """
    file, content = setting.folder / "setting.json", setting.described()
    if not file.exists() or all(map(_is_free_lock, setting.folder.glob("*/*"))):
        setting.folder.mkdir(parents=True, exist_ok=True)
        write_json(file, content, shared=True)
    begun = _read(file, *content)
    if begun != content:
        raise ArgumentError(
            f"{setting.folder} holds this experiment with --dataset={begun['dataset']} --scale={begun['scale']}: "
            "repeat these to continue it, or choose another --output."
        )


def _is_free_lock(path):
    """Whether a file is a member's lock and no process holds it."""
    return path.name == LOCK and not is_locked(path)


def write_report(setting: Setting, experiment: Experiment, members: dict[str, dict]) -> pathlib.Path:
    """Writes README.md, results.json and the pictures of an experiment into its folder.

    Args:
        setting: a `Setting`.
        experiment: an `Experiment`.
        members: what `read_member` returned for all members, by their names.

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
        parts += [f"## {table.title}", _markdown(table.columns, table.rows)]
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


def _all_versions(versions):
    """Merges dicts of versions: each package has all its versions, as a text."""
    return {name: ", ".join(sorted({one[name] for one in versions})) for name in versions[0]}


def listed(values: dict) -> str:
    """Returns the names and values of a dict as a text."""
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _markdown(columns, rows):
    """Returns a table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
