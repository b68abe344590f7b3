"""Exports of runs for TensorFlow Serving and other runtimes."""

import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from keras_resnets.dtype_policies import dtype_policy_scope
from keras_resnets.errors import ArgumentError
from trainers.data.registry import title
from trainers.engine.run_folder import RunFolder
from trainers.runtime.choices import EXPORT_PRECISIONS, SAVED_MODEL, WEIGHTS
from trainers.tasks.ensemble_members import ensemble_members
from trainers.tasks.registry import TASKS, check_flags, restored

FOR_ALL_TASKS = ("batch_size", "max_pixels", "warmup")


def export(
    run: RunFolder,
    base: str | pathlib.Path | None = None,
    version: int | None = None,
    best: bool = False,
    precision: str = "float32",
    ensemble: Sequence[str] = (),
    format: str = SAVED_MODEL,
    options: Mapping[str, Any] | None = None,
    **settings,
) -> pathlib.Path:
    """Exports a run's net with its preprocessing and labels, or several runs' nets as one.

    Args:
        run: the run's folder.
        base: folder of all versions; None for `saved_models/MODEL_DATASET`, or `saved_models/ensemble_DATASET`; of
            weights, `weights/MODEL_DATASET`, since a server may watch the others.
        version: positive integer; None for the next free one.
        best: whether to export the best checkpoint.
        precision: "float32", or "bfloat16" for weights and computations in it.
        ensemble: the other runs of an ensemble: see `ensemble_members`.
        format: `SAVED_MODEL`, `WEIGHTS`, or a key of `keras_resnets.serving.formats.FILES`.
        options: options of the model that change no weights, with other values than in training.
        **settings: other arguments of the task's `export`, for `SAVED_MODEL` only.

    Returns:
        The path of the version's folder.

    Raises:
        ArgumentError: for an argument that cannot work, or is not for the task.
    """
    config, options = run.config(), dict(options or {})
    given = {name: value for name, value in {"ensemble": list(map(str, ensemble)), **settings}.items() if value}
    given |= options
    if format != SAVED_MODEL:
        settings["format"] = given["format"] = format
    of_some_tasks = {name: value for name, value in given.items() if name not in FOR_ALL_TASKS}
    check_flags(config["task"], "export_flags", of_some_tasks)
    refused = [name for name in given if name != "format"] if format != SAVED_MODEL else []
    if refused:
        raise ArgumentError(f"--{refused[0]} is for --format={SAVED_MODEL}, not --format={format}: leave it out.")
    runs = [run, *(other for other, _ in ensemble_members(run, ensemble, config["dataset"]))]
    # The nets are new: they are in no strategy's scope, and in the export's precision whatever training's was.
    with dtype_policy_scope(EXPORT_PRECISIONS[precision]):
        members = [
            restored(one, config=TASKS[config["task"]].with_options(one.config(), options), best=best, for_export=True)
            for one in runs
        ]
    task, models = members[0].task, [member.model for member in members]
    name = task.name if len(models) == 1 else "ensemble"
    folder = "weights" if format == WEIGHTS else "saved_models"
    base = pathlib.Path(base or f"{folder}/{name}_{slug(config['dataset'])}")
    return task.export(models[0] if len(models) == 1 else task.ensemble(models), base, version, **settings)


def slug(dataset: str) -> str:
    """Returns the name of a data set in file names."""
    return re.sub(r"\W+", "_", title(dataset))
