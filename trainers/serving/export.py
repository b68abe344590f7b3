"""Exports of runs for TensorFlow Serving and other runtimes."""

import pathlib
import re
from collections.abc import Sequence

from keras_resnets.dtype_policies import dtype_policy_scope
from trainers.data.registry import title
from trainers.engine.checkpoints import restore_model
from trainers.engine.run_folder import RunFolder
from trainers.runtime.choices import EXPORT_PRECISIONS, SAVED_MODEL
from trainers.tasks.joined_runs import joined_runs
from trainers.tasks.registry import check_flags, load_task

FOR_ALL_TASKS = ("batch_size", "max_pixels", "warmup")


def export(
    run: RunFolder,
    base: str | pathlib.Path | None = None,
    version: int | None = None,
    best: bool = False,
    precision: str = "float32",
    ensemble: Sequence[str] = (),
    format: str = SAVED_MODEL,
    **settings,
) -> pathlib.Path:
    """Exports a run's net with its preprocessing and labels, or several runs' nets as one.

    Args:
        run: the run's folder.
        base: folder of all versions; None for `saved_models/MODEL_DATASET`, or `saved_models/ensemble_DATASET`.
        version: positive integer; None for the next free one.
        best: whether to export the best checkpoint.
        precision: "float32", or "bfloat16" for weights and computations in it.
        ensemble: folders of other runs, which answer together with the run, as in `trainers.evaluate`.
        format: `SAVED_MODEL`, `WEIGHTS`, or a key of `keras_resnets.serving.formats.FILES`.
        **settings: other arguments of the task's `export`.

    Returns:
        The path of the version's folder.

    Raises:
        ArgumentError: for an argument that cannot work, or is not for the task.
    """
    config = run.config()
    if format != SAVED_MODEL:
        settings["format"] = format
    of_some_tasks = {name: value for name, value in settings.items() if name not in FOR_ALL_TASKS and value}
    joined = {"ensemble": list(map(str, ensemble))} if ensemble else {}
    check_flags(config["task"], "export_flags", {**joined, **of_some_tasks})
    others = [other for other, _ in joined_runs(run, ensemble, config["dataset"])]
    (task, model), *rest = [_restored(one, best, precision) for one in [run, *others]]
    name = "ensemble" if rest else task.name
    base = pathlib.Path(base or f"saved_models/{name}_{slug(config['dataset'])}")
    model = task.ensemble([model, *(other for _, other in rest)]) if rest else model
    return task.export(model, base, version, **settings)


def _restored(run, best, precision):
    """Returns a run's task, and its model with the weights of a checkpoint."""
    task = load_task(run)
    # The model is new: it is in no strategy's scope, and in the export's precision whatever training's was.
    with dtype_policy_scope(EXPORT_PRECISIONS[precision]):
        model = task.build_for_export()
    restore_model(model, run, best)
    return task, model


def slug(dataset: str) -> str:
    """Returns the name of a data set in file names."""
    return re.sub(r"\W+", "_", title(dataset))
