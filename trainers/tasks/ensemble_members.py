"""The other runs of an ensemble."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from keras_resnets.errors import ArgumentError
from trainers.engine.run_folder import RunFolder
from trainers.tasks.registry import TASKS


def ensemble_members(
    run: RunFolder, ensemble: Sequence[str], dataset_name: str
) -> list[tuple[RunFolder, Mapping[str, Any]]]:
    """Returns the other runs of an ensemble, and the `Member.settings` of each.

    Args:
        run: the first run of the ensemble.
        ensemble: the values of --ensemble, in the form that the task's `parse_member` takes.
        dataset_name: the data set that the ensemble is for.

    Raises:
        ArgumentError: for a member that does not fit the run.
    """
    return [_member(text, run, dataset_name) for text in ensemble]


def _member(text, run, dataset_name):
    """Returns the `RunFolder` and the settings of a value of --ensemble."""
    config = run.config()
    task = TASKS[config["task"]]
    path, settings = task.parse_member(text)
    if not path or not RunFolder(path).exists():
        raise ArgumentError(f"--ensemble={text} is no run: give runs as {task.member_form}, separated by commas.")
    if not settings and os.path.samefile(path, run.path):
        raise ArgumentError(f"--ensemble={text} is the run of --model_dir itself: give other runs.")
    member = RunFolder(path)
    other = member.config()
    if other["task"] != config["task"]:
        raise ArgumentError(
            f"--ensemble={text} is a run of trainers.{other['task']}, and {run.path} of trainers.{config['task']}: "
            "leave it out."
        )
    check_labels(f"--ensemble={text}", other["labels"], run)
    problem = task.ensemble_problem(config, other, dataset_name)
    if problem is not None:
        raise ArgumentError(f"--ensemble={text} cannot join {run.path}: {problem}.")
    return member, settings


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
