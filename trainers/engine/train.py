"""A training run, from its first file to its last."""

import math

import tensorflow as tf

from trainers.engine.checkpoints import Checkpoints, measured_part
from trainers.engine.loop import run_loop
from trainers.engine.predictor import predictor
from trainers.engine.run_folder import RunFolder
from trainers.engine.settings import LOG_EVERY, Settings
from trainers.engine.task import Task
from trainers.runtime.distribution import one_machine

MINIMUM_EPOCH = 10  # steps between two evaluations, at least


def train(task: Task, run: RunFolder, *, strategy: tf.distribute.Strategy | None = None, **settings) -> dict:
    """Trains a run to its end, or goes on with it; writes its results and its learning curve.

    Args:
        task: the task, with a data set.
        run: the run's folder, new or begun with the same configuration.
        strategy: a strategy; None for the default one, on one device.
        **settings: fields of `Settings` that the configuration does not have; by default, `checkpoint_every` is an
            epoch.

    Returns:
        The content of results.json. That of a run in several stages has `stages`, the seconds of each.

    Raises:
        ArgumentError: if the settings do not fit together, the run was begun with another configuration, or it has
            several stages and the strategy several machines.
    """
    strategy, stages = strategy or tf.distribute.get_strategy(), task.stages()
    if stages is not None:
        one_machine(strategy, stages.flag)
    run.check(task.config)
    if run.results() is not None:
        return run.results()
    if stages is None:
        results = _in_one_loop(task, run, strategy, **settings)
    else:
        results = _in_stages(task, run, strategy, stages, settings)
    run.finish(results)
    return results


def _in_one_loop(task, run, strategy, *, log_every=LOG_EVERY, checkpoint_every=None, **settings):
    """Returns the results of one training loop."""
    epoch = max(MINIMUM_EPOCH, math.ceil(task.dataset.train.size / task.recipe.batch_size))
    settings = Settings(
        recipe=task.recipe,
        steps=task.config["steps"],
        log_every=log_every,
        evaluate_every=epoch,
        checkpoint_every=checkpoint_every or epoch,
        strategy=strategy,
        precision=task.config["precision"],
        **task.config["training"],
        **settings,
    )
    results = run_loop(task, run, settings)
    if run.chief:
        task.draw_learning_curve(run.metrics(), run.learning_curve)
    return results


def _in_stages(task, run, strategy, stages, settings):
    """Trains a run in stages. The last stage's model becomes the run's checkpoint; returns its metrics."""
    task.build_model()  # A configuration that no model can be built with leaves no files.
    run.begin(task.config)
    with run.locked():
        model, seconds = stages.train(run, strategy, settings)
        step = task.config["steps"]
        if run.chief:
            checkpoint = tf.train.Checkpoint(**{measured_part(task.recipe): model})
            Checkpoints(checkpoint, run.checkpoints).save(step)
        metrics = task.metrics(predictor(task, model, strategy)())
        return {"step": step, **metrics, "seconds": sum(seconds.values()), "stages": seconds}
