"""The tasks by the name that a run's configuration has."""

from trainers.classification import Classification
from trainers.detection_task import Detection
from trainers.localization import Localization
from trainers.localization_rcnn import LocalizationRCNN

TASKS = {
    "classification": Classification,
    "detection": Detection,
    "localization": Localization,
    "localization_rcnn": LocalizationRCNN,
}


def task_of(run, dataset=None):
    """Returns the task of a run; without a data set, it can build its model only."""
    config = run.config()
    return TASKS[config["task"]](config, dataset)
