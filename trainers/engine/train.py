"""A training run, from its first file to its last."""

import math
from collections.abc import Callable

import keras
import tensorflow as tf

from trainers.engine import loop
from trainers.engine.checkpoints import Checkpoints
from trainers.engine.predictor import predictor
from trainers.engine.run_folder import RunFolder
from trainers.engine.settings import LOG_EVERY, Settings
from trainers.engine.task import Task
from trainers.runtime.distribution import one_machine

MINIMUM_EPOCH = 10  # steps between two evaluations, at least


def train(
    task: Task, run: RunFolder, *, log_every: int = LOG_EVERY, checkpoint_every: int | None = None, **settings
) -> dict:
    """Trains a run to its end, or goes on with it; writes its results and its learning curve.

    Args:
        task: the task, with a data set.
        run: the run's folder, new or begun with the same configuration.
        log_every: steps between two lines of metrics.jsonl.
        checkpoint_every: steps between two checkpoints; None for an epoch.
        **settings: other fields of `trainers.engine.settings.Settings`.

    Returns:
        The content of results.json.
    """
    run.check(task.config)
    if run.results() is not None:
        return run.results()
    epoch = max(MINIMUM_EPOCH, math.ceil(task.dataset.train.size / task.recipe.batch_size))
    settings = Settings(
        recipe=task.recipe,
        steps=task.config["steps"],
        log_every=log_every,
        evaluate_every=epoch,
        checkpoint_every=checkpoint_every or epoch,
        precision=task.config["precision"],
        **settings,
    )
    results = loop.train(task, run, settings)
    if run.chief:
        task.draw_learning_curve(run.metrics(), run.learning_curve)
    run.finish(results)
    return results


def train_in_stages(
    task: Task,
    run: RunFolder,
    strategy: tf.distribute.Strategy,
    flag: str,
    stages: Callable[[], tuple[keras.Model, dict[str, float]]],
) -> dict:
    """Trains a run in stages, or goes on with it. The last stage's model becomes the run's checkpoint, and is measured.

    Args:
        task: the task of the whole run.
        run: the run's folder, new or begun with the same configuration.
        strategy: a strategy of one machine.
        flag: the flag that asks for the stages, for messages.
        stages: trains the stages that are not complete; returns the model, and the seconds of each stage.

    Returns:
        The content of results.json, with `stages`.

    Raises:
        ArgumentError: for several machines, or a run that was begun with another configuration.
    """
    one_machine(strategy, flag)
    run.check(task.config)
    if run.results() is not None:
        return run.results()
    task.build_model()  # A configuration that no model can be built with leaves no files.
    run.begin(task.config)
    with run.locked():
        model, seconds = stages()
        step = task.config["steps"]
        if run.chief:
            part = "model" if task.recipe.ema_decay is None else "average"
            Checkpoints(tf.train.Checkpoint(**{part: model}), run.checkpoints).save(step)
        metrics = task.metrics(predictor(task, model, strategy)())
        results = {"step": step, **metrics, "seconds": sum(seconds.values()), "stages": seconds}
        run.finish(results)
        return results
