"""Runs that go on after their last step, because they are given more steps, or more patience."""

import sys
from collections.abc import Mapping
from typing import Any

from trainers.engine.optimizers import learning_rate_schedule
from trainers.engine.run_folder import RunFolder
from trainers.engine.task import Task
from trainers.recipes.recipe import Recipe


def is_complete(results: Mapping[str, Any] | None, steps: int, patience: int | None) -> bool:
    """Whether a run with these results has nothing left to train.

    Args:
        results: the content of results.json; None if it does not exist.
        steps: that the run is to have.
        patience: that the run is to have: see `trainers.engine.settings.Settings`.
    """
    if results is None:
        return False
    last_step, waited = results.get("last_step", results["step"]), results.get("patience")
    return last_step >= steps or (waited is not None and patience is not None and patience <= waited)


def reopen(run: RunFolder, task: Task) -> None:
    """Lets a locked run go on to its task's number of steps, and says what becomes of the learning rate."""
    before = run.reopen(task.config)
    if before is not None:
        print(_described(task.recipe, before, task.config["steps"]), file=sys.stderr)


def _described(recipe: Recipe, before: int, after: int) -> str:
    """Returns what happens to a run of `before` steps that becomes one of `after`, as a text."""
    text = f"the run of {before} steps becomes one of {after}"
    if recipe.schedule == "constant" and recipe.warmup_steps <= before // 2:
        return f"{text}; its learning rate is constant"
    old, new = (float(learning_rate_schedule(recipe, steps)(before)) for steps in (before, after))
    return (
        f"{text}: from here on, the learning rate follows the schedule of {after} steps "
        f"(after step {before}: {new:.2g}, where the shorter schedule has {old:.2g})"
    )
