"""The experiments by name."""

import importlib
import pkgutil

from trainers.experiments import papers
from trainers.experiments.experiment import Experiment

EXPERIMENTS = tuple(module.name for module in pkgutil.iter_modules(papers.__path__))


def find(name: str) -> Experiment:
    """Returns the experiment of a name in `EXPERIMENTS`, and imports its module."""
    return importlib.import_module(f"{papers.__name__}.{name}").EXPERIMENT
