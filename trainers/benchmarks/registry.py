"""The benchmarks by name."""

import importlib
from collections.abc import Callable

from trainers.benchmarks.settings import Settings

# The module of trainers.benchmarks with the function of a name. `find` imports it.
BENCHMARKS = {
    "import_time": "classification",
    "build_resnet101": "classification",
    "train_cifar_resnet20": "classification",
    "jit_compile": "classification",
    "protocols": "classification",
    "training": "training",
    "training_cifar": "training",
    "training_detection": "training_detection",
    "input_pipeline": "input_pipeline",
    "step_profile": "step_profile",
    "depth": "depth",
    "roi": "detection",
    "faster_rcnn_resnet101": "detection",
    "serving": "serving",
    "serving_latency": "serving",
}
OLD_NAMES = {"rematerialization": "depth", "cifar_resnet1202": "depth"}  # which the next release does not have


def find(name: str) -> Callable[[Settings], dict]:
    """Returns the function of a benchmark: from its settings to its figures, by their names.

    Figures are numbers, texts, or dicts of more figures.
    """
    return getattr(importlib.import_module(f"trainers.benchmarks.{BENCHMARKS[name]}"), name)
