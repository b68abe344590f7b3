"""What the binaries that train have in common: a run's configuration, and the run from its first to its last file."""

import math

import tensorflow as tf

from trainers.engine import loop
from trainers.engine.checkpoints import Checkpoints
from trainers.runtime.distribution import one_machine

MINIMUM_EPOCH = 10  # steps between two evaluations, also of a tiny data set


def train(task, run, *, log_every=20, checkpoint_every=None, **settings):
    """Trains a run to its end, or goes on with it; writes its results and its learning curve.

    Args:
        task: see `trainers.engine.loop`, with a `dataset` and a configuration.
        run: a `RunFolder`, new or begun with the same configuration.
        log_every: steps between two lines of metrics.jsonl.
        checkpoint_every: steps between two checkpoints; None for an epoch.
        **settings: other fields of `trainers.engine.loop.Settings`.

    Returns:
        The content of results.json.
    """
    run.check(task.config)
    if run.results() is not None:
        return run.results()
    epoch = max(MINIMUM_EPOCH, math.ceil(task.dataset.train.size / task.recipe.batch_size))
    settings = loop.Settings(
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


def train_in_stages(task, run, strategy, flag, stages):
    """Trains a run in stages, or goes on with it; its last model becomes the run's checkpoint, and is measured.

    Args:
        task: see `trainers.engine.loop`.
        run: a `RunFolder`, new or begun with the same configuration.
        strategy: a `tf.distribute.Strategy`, on one machine.
        flag: what asks for the stages.
        stages: function without arguments that trains what is not complete, and returns the model and the seconds of
            each stage, a dict.

    Returns:
        The content of results.json, with `stages`.

    Raises:
        ArgumentError: for several machines, or a run that was begun with another configuration.
    """
    one_machine(strategy, flag)
    run.check(task.config)
    if run.results() is not None:
        return run.results()
    task.build_model()  # What no model can be built with leaves no trace.
    run.begin(task.config)
    with run.locked():
        return _finish(task, run, strategy, *stages())


def _finish(task, run, strategy, model, stages):
    step = task.config["steps"]
    if run.chief:
        part = "model" if task.recipe.ema_decay is None else "average"
        Checkpoints(tf.train.Checkpoint(**{part: model}), run.checkpoints).save(step)
    metrics = task.metrics(loop.predictor(task, model, strategy)())
    results = {"step": step, **metrics, "seconds": sum(stages.values()), "stages": stages}
    run.finish(results)
    return results
