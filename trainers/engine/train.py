"""A training run, from its first file to its last."""

import math

import tensorflow as tf

from keras_resnets.errors import ArgumentError
from trainers.engine.checkpoints import Checkpoints, measured_part
from trainers.engine.lengthening import is_complete
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
        run: the run's folder, new or begun with the same configuration, or with fewer steps.
        strategy: a strategy; None for the default one, on one device.
        **settings: fields of `Settings` that the configuration does not have; by default, `checkpoint_every` is an
            epoch.

    Returns:
        The content of results.json: what `run_loop` returns. That of a run in several stages has `stages`, the seconds
        of each.

    Raises:
        ArgumentError: if the settings do not fit together, the run was begun with another configuration, or it has
            several stages and the strategy several machines.
    """
    strategy, stages = strategy or tf.distribute.get_strategy(), task.stages()
    if stages is not None:
        one_machine(strategy, stages.flag)
    run.check(task.config)
    results = run.results()
    if is_complete(results, task.config["steps"], settings.get("patience")):
        return results
    if stages is not None and run.exists() and run.config()["steps"] < task.config["steps"]:
        raise ArgumentError(
            f"--model_dir={run.path} holds a run of {run.config()['steps']} steps, which cannot become longer with "
            f"{stages.flag}: train with more steps in another folder."
        )
    if stages is None:
        results = _in_one_loop(task, run, settings_of(task, strategy, **settings))
    else:
        results = _in_stages(task, run, strategy, stages, settings)
    run.finish(results)
    return results


def settings_of(
    task: Task,
    strategy: tf.distribute.Strategy,
    *,
    log_every: int = LOG_EVERY,
    checkpoint_every: int | None = None,
    **settings,
) -> Settings:
    """Returns how a task is trained in one loop.

    Args:
        task: the task, with a data set.
        strategy: a strategy.
        log_every: see `Settings`.
        checkpoint_every: see `Settings`; None for an epoch.
        **settings: other fields of `Settings` that the configuration does not have.
    """
    epoch = max(MINIMUM_EPOCH, math.ceil(task.dataset.train.size / task.recipe.batch_size))
    return Settings(
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


def _in_one_loop(task, run, settings):
    """Returns the results of one training loop."""
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
        predictions = predictor(task, model, strategy)()
        metrics = task.metrics(predictions)
        reported = task.report(predictions, metrics, run)
        return {"step": step, **metrics, **reported, "seconds": sum(seconds.values()), "stages": seconds}
