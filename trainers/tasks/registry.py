"""The tasks, by their names in a run's configuration."""

from collections.abc import Callable, Mapping
from typing import Any

from keras_resnets.errors import ArgumentError
from trainers.engine import train
from trainers.engine.run_folder import RunFolder
from trainers.engine.task import Task
from trainers.tasks.classification import Classification
from trainers.tasks.detection import Detection
from trainers.tasks.localization import Localization
from trainers.tasks.localization_rcnn import LocalizationRCNN
from trainers.tasks.multi_stage import alternating, svm_stages

TASKS: dict[str, type[Task]] = {
    "classification": Classification,
    "detection": Detection,
    "localization": Localization,
    "localization_rcnn": LocalizationRCNN,
}


def load_task(run: RunFolder, dataset=None) -> Task:
    """Returns the task of a run. Without a data set, it can only build its model."""
    config = run.config()
    return TASKS[config["task"]](config, dataset)


def procedure(config: Mapping[str, Any]) -> Callable[..., dict]:
    """Returns the function that trains a detector of a configuration: see `trainers.engine.train.train`."""
    if config["alternating"]:
        return alternating.train
    return svm_stages.train if config["options"].get("svm") else train.train


def check_flags(task: str, purpose: str, given: Mapping[str, Any]) -> None:
    """Checks that flags are for a task.

    Args:
        task: a name of `TASKS`.
        purpose: "evaluation_flags" or "export_flags".
        given: the values of the flags that are given.

    Raises:
        ArgumentError: for a flag that is not, with the tasks that it is for.
    """
    for name, value in given.items():
        if name not in getattr(TASKS[task], purpose):
            others = [f"trainers.{other}" for other, kind in TASKS.items() if name in getattr(kind, purpose)]
            raise ArgumentError(f"--{name}={_as_typed(value)} is for runs of {' and '.join(others)}: leave it out.")


def _as_typed(value):
    """Returns the value of a flag as a user types it."""
    if isinstance(value, Mapping):
        value = [f"{key}={one}" for key, one in value.items()]
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else value
