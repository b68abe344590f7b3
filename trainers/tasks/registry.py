"""The tasks by the name that a run's configuration has."""

from trainers.engine import train
from trainers.tasks.classification import Classification
from trainers.tasks.detection import Detection
from trainers.tasks.localization import Localization
from trainers.tasks.localization_rcnn import LocalizationRCNN
from trainers.tasks.multi_stage import alternating, svm_stages


def procedure(config):
    """Returns the function that trains a detector of a configuration: see `trainers.engine.train.train`."""
    if config["alternating"]:
        return alternating.train
    return svm_stages.train if config["options"].get("svm") else train.train


TASKS = {
    "classification": Classification,
    "detection": Detection,
    "localization": Localization,
    "localization_rcnn": LocalizationRCNN,
}


def load_task(run, dataset=None):
    """Returns the task of a run; without a data set, it can build its model only."""
    config = run.config()
    return TASKS[config["task"]](config, dataset)
