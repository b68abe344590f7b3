"""Exports of runs for TensorFlow Serving."""

import pathlib
import re

from keras_resnets import ArgumentError
from keras_resnets.dtype_policies import dtype_policy_scope
from trainers.data.registry import title
from trainers.engine.checkpoints import restore_model
from trainers.evaluation.evaluate import joined_runs
from trainers.tasks.registry import load_task

SAVED_MODEL = "saved_model"


POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}  # The probabilities are float32 in any case.


def export(run, base=None, version=None, best=False, precision="float32", ensemble=(), **settings):
    """Exports a run's net, with its preprocessing and labels, or a detector with others that are trained as one.

    Args:
        run: a `RunFolder`.
        base: folder of all versions; by default `saved_models/MODEL_DATASET`, of an ensemble
            `saved_models/ensemble_DATASET`.
        version: positive integer, by default the next free one.
        best: whether to export the best checkpoint instead of the last one.
        precision: "float32", or "bfloat16" for weights and computations in it.
        ensemble: of a Faster R-CNN: paths of other runs, which find and classify regions together with it, as in
            `trainers.evaluate`.
        **settings: arguments of the task's `export`.

    Returns:
        The path of the version's folder.
    """
    config = run.config()
    if ensemble and config["task"] != "detection":
        raise ArgumentError(f"--ensemble={','.join(ensemble)} is for runs of trainers.detection: leave it out.")
    others = [other for other, _ in joined_runs(run, ensemble, config["dataset"])]
    (task, model), *rest = [_restored(one, best, precision) for one in [run, *others]]
    name = "ensemble" if rest else task.name
    base = pathlib.Path(base or f"saved_models/{name}_{slug(config['dataset'])}")
    model = task.ensemble([model, *(other for _, other in rest)]) if rest else model
    return task.export(model, base, version, **settings)


def _restored(run, best, precision):
    """Returns a run's task, and its model with the weights of a checkpoint."""
    task = load_task(run)
    # A new model, outside of any strategy's scope, in the export's precision whatever the training used.
    with dtype_policy_scope(POLICIES[precision]):
        model = task.build_for_export()
    restore_model(model, run, best)
    return task, model


def slug(dataset):
    """Returns what a data set is called in a file's name."""
    return re.sub(r"\W+", "_", title(dataset))
