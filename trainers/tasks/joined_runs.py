"""The other runs of an ensemble."""

import os
import pathlib
from collections.abc import Sequence

from keras_resnets.errors import ArgumentError
from trainers.engine.run_folder import RunFolder
from trainers.tasks.protocols import PROTOCOLS
from trainers.tasks.registry import TASKS


def joined_runs(run: RunFolder, ensemble: Sequence[str], dataset_name: str) -> list[tuple[RunFolder, str | None]]:
    """Returns the runs that answer together with a run, and the protocol of each, or None.

    Args:
        run: the run that they join.
        ensemble: their folders, for classification each perhaps followed by ":" and a name of `PROTOCOLS`.
        dataset_name: the data set that the ensemble is for.

    Raises:
        ArgumentError: for a member that does not fit the run.
    """
    has_protocols = "protocol" in TASKS[run.config()["task"]].evaluation_flags
    joined = [_run_and_protocol(text, has_protocols) for text in ensemble]
    for text, (member, protocol) in zip(ensemble, joined):
        _check_member(text, member.config(), protocol, run, dataset_name)
    return joined


def _run_and_protocol(text, has_protocols):
    """Returns the `RunFolder` and the protocol, or None, of "DIR" or "DIR:PROTOCOL"."""
    path, separator, protocol = text.rpartition(":")
    if not separator or pathlib.Path(text).is_dir():
        path, protocol = text, None
    elif protocol not in PROTOCOLS:
        raise ArgumentError(f"--ensemble={text}: protocol {protocol!r} is unknown: use {', '.join(PROTOCOLS)}.")
    if not path or not RunFolder(path).exists():
        form = "DIR or DIR:PROTOCOL, separated" if has_protocols else "separated"
        raise ArgumentError(f"--ensemble={text} is no run: give folders of runs, {form} by commas.")
    return RunFolder(path), protocol


def _check_member(text, member, protocol, run, dataset_name):
    """Raises ArgumentError if a member, with this configuration and protocol, does not fit a run."""
    config = run.config()
    task = TASKS[config["task"]]
    if protocol is None and os.path.samefile(text, run.path):
        raise ArgumentError(f"--ensemble={text} is the run of --model_dir itself: give other runs.")
    if member["task"] != config["task"]:
        raise ArgumentError(
            f"--ensemble={text} is a run of trainers.{member['task']}, and {run.path} of trainers.{config['task']}: "
            "leave it out."
        )
    if protocol is not None and "protocol" not in task.evaluation_flags:
        raise ArgumentError(f"--ensemble={text}: trainers.{config['task']} has no protocols: give the folder only.")
    check_labels(f"--ensemble={text}", member["labels"], run)
    problem = task.ensemble_problem(config, member, dataset_name)
    if problem is not None:
        raise ArgumentError(f"--ensemble={text} cannot join {run.path}: {problem}.")


def check_labels(source: str, labels: Sequence[str], run: RunFolder) -> None:
    """Raises ArgumentError if the labels of a source, a flag with its value, are not those of a run."""
    trained = run.config()["labels"]
    if list(labels) != trained:
        raise ArgumentError(
            f"{source} has the classes {_shown(labels)}, and {run.path} was trained on {_shown(trained)}: "
            "choose one with the same classes."
        )


def _shown(labels):
    return f"{', '.join(labels[:5])}{' ...' if len(labels) > 5 else ''} ({len(labels)})"
