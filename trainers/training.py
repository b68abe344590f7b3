"""What the binaries that train have in common: a run's configuration, and the run from its first to its last file."""

import dataclasses
import math
import os
import pathlib
import sys

import keras
import tensorflow as tf

from trainers import cli, loop
from trainers.checkpoints import Checkpoints
from trainers.data.dataset import absolute
from trainers.distribution import one_machine

PUBLISHED_WEIGHTS = "imagenet"
MINIMUM_EPOCH = 10  # steps between two evaluations, also of a tiny data set


def common_config(
    dataset_name,
    dataset,
    recipe_name,
    recipe,
    *,
    data_dir=None,
    precision="float32",
    init_weights=None,
    freeze=None,
    stage_learning_rates=None,
    seed=0,
):
    """Returns the part of a run's configuration that is the same for every task, a dict that can be written as JSON.

    Args:
        dataset_name: the value of --dataset.
        dataset: the data set of that name.
        recipe_name: the value of --recipe.
        recipe: the `Recipe` of that name, changed as the flags say.
        data_dir ... seed: the values of the flags; `stage_learning_rates` is a dict of stages to factors.
    """
    return {
        "dataset": absolute(dataset_name),
        "data_dir": data_dir and os.path.abspath(data_dir),
        "labels": list(dataset.labels),
        "recipe_name": recipe_name,
        "recipe": dataclasses.asdict(recipe),
        "steps": recipe.total_steps(dataset.train.size),
        "precision": precision,
        "init_weights": init_weights if init_weights in (None, PUBLISHED_WEIGHTS) else os.path.abspath(init_weights),
        "freeze": list(freeze or ()),
        "stage_learning_rates": stage_learning_rates or {},
        "seed": seed,
        "versions": {"tensorflow": tf.__version__, "keras": keras.__version__},
    }


def train(task, run, *, log_every=20, checkpoint_every=None, **settings):
    """Trains a run to its end, or goes on with it; writes its results and its learning curve.

    Args:
        task: see `trainers.loop`, with a `dataset` and a configuration.
        run: a `Run`, new or begun with the same configuration.
        log_every: steps between two lines of metrics.jsonl.
        checkpoint_every: steps between two checkpoints; None for an epoch.
        **settings: other fields of `trainers.loop.Settings`.

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
        task: see `trainers.loop`.
        run: a `Run`, new or begun with the same configuration.
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


def train_by_flags(task, run, strategy, procedure=train):
    """Trains as the flags of `cli.define_training` say, and prints what came out.

    Args:
        task, run: see `train`.
        strategy: a `tf.distribute.Strategy`.
        procedure: `train`, or a function like it that trains in several stages.
    """
    settings = cli.training_settings()
    # What else the weights depend on.
    task.config["training"] = {name: settings[name] for name in ("sync_batch_norm", "on_nan")}
    if not run.chief:
        print("The first machine shows the progress and writes the files.", file=sys.stderr)
    results = procedure(task, run, strategy=strategy, **settings)
    if run.chief:
        print(f"{task.title}: {task.summary(results)}, {results['step']} steps, {results['seconds']:.0f} s")
        curves = [run.learning_curve, *sorted(run.path.glob(f"*/{run.learning_curve.name}"))]  # of the stages
        for curve in filter(pathlib.Path.exists, curves):
            print(f"learning curve: {curve}")
