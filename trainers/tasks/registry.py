"""The tasks, by their names in a run's configuration."""

from collections.abc import Mapping
from typing import Any

from keras_resnets.errors import ArgumentError
from trainers.data.classification_dataset import ImageDataset
from trainers.data.detection_dataset import DetectionDataset
from trainers.engine.checkpoints import restore_model
from trainers.engine.run_folder import RunFolder
from trainers.engine.task import Member, Task
from trainers.tasks.classification import Classification
from trainers.tasks.detection import Detection
from trainers.tasks.localization import Localization
from trainers.tasks.localization_rcnn import LocalizationRCNN

TASKS: dict[str, type[Task]] = {
    "classification": Classification,
    "detection": Detection,
    "localization": Localization,
    "localization_rcnn": LocalizationRCNN,
}


def restored(
    run: RunFolder,
    dataset: ImageDataset | DetectionDataset | None = None,
    *,
    config: dict[str, Any] | None = None,
    best: bool = False,
    for_export: bool = False,
    settings: Mapping[str, Any] | None = None,
) -> Member:
    """Returns a run with its task and its trained net.

    Args:
        run: the run's folder.
        dataset: the task's; None where it does not evaluate.
        config: the task's configuration; None for the run's own.
        best: whether the net has the weights of the best checkpoint, instead of the last.
        for_export: whether the net is that of the task's `build_for_export`.
        settings: see `Member`.

    Raises:
        ArgumentError: if there is no checkpoint.
    """
    config = config or run.config()
    task = TASKS[config["task"]](config, dataset)
    model = task.build_for_export() if for_export else task.build_model()
    return Member(run.path, task, model, restore_model(model, run, best), settings or {})


def check_flags(task: str, purpose: str, given: Mapping[str, Any]) -> None:
    """Checks that a task takes flags.

    Args:
        task: a name of `TASKS`.
        purpose: "evaluation_flags" or "export_flags".
        given: the values of the flags that are given.

    Raises:
        ArgumentError: if a flag is not for this task; the message names the tasks that take it.
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
