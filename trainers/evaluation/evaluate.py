"""Evaluation of a run on a test split."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from keras_resnets.errors import ArgumentError
from trainers.data.registry import absolute
from trainers.engine.run_folder import RunFolder
from trainers.engine.task import Task
from trainers.tasks.ensemble_members import check_labels, ensemble_members
from trainers.tasks.registry import TASKS, check_flags, restored


def evaluate(
    run: RunFolder,
    dataset_name: str | None = None,
    data_dir: str | None = None,
    download: bool = False,
    best: bool = False,
    *,
    ensemble: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    **flags,
) -> tuple[Task, dict[str, Any]]:
    """Evaluates the last checkpoint of a run on each test image, by default as training did.

    Writes `evaluation.json` and the task's report into the run's folder.

    Args:
        run: the run's folder.
        dataset_name: a value of --dataset with the run's classes; None for the run's own.
        data_dir: where TensorFlow Datasets keeps its data; None for the run's own.
        download: whether TensorFlow Datasets may download what is missing.
        best: whether to evaluate the best checkpoint.
        ensemble: the other runs of an ensemble: see `ensemble_members`.
        options: options of the model that change no weights, with other values than in training.
        **flags: flags that the task's `evaluate` takes; None and False stand for none.

    Returns:
        The task and the content of evaluation.json: `model`, `dataset`, `step`, `images`, the `ensemble`, `options` and
        flags that are given, and what the task's `evaluate` and `report` return.

    Raises:
        ArgumentError: if there is no checkpoint, the classes differ, or a flag is not for the task.
    """
    config = run.config()
    task_class, options = TASKS[config["task"]], dict(options or {})
    flags = {name: str(value) if isinstance(value, os.PathLike) else value for name, value in flags.items() if value}
    joined = {"ensemble": list(map(str, ensemble))} if ensemble else {}
    check_flags(config["task"], "evaluation_flags", {**options, **joined, **flags})
    if flags.get("search") and not ensemble:
        raise ArgumentError("--search chooses among several runs: give others with --ensemble, or leave it out.")
    dataset_name = absolute(dataset_name or config["dataset"])
    config = task_class.with_options(config, options)
    others = ensemble_members(run, ensemble, dataset_name)
    dataset = task_class.open_dataset(config, dataset_name, data_dir or config["data_dir"], download)
    check_labels(f"--dataset={dataset_name}", dataset.labels, run)
    members = [restored(run, dataset, config={**config, "dataset": dataset_name}, best=best)]
    for other, settings in others:
        config = task_class.with_options(other.config(), options)
        members.append(restored(other, dataset, config=config, best=best, settings=settings))
    task, step = members[0].task, members[0].step
    predictions, figures = task.evaluate(members, **flags)
    results = {"model": task.name, "dataset": dataset_name, "step": step, "images": dataset.test.size}
    results |= {**({"options": options} if options else {}), **joined, **flags, **figures}
    results |= task.report(predictions, figures, run)
    run.write_evaluation(results)
    return task, results
