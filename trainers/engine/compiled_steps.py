"""Steps of training as one function of TensorFlow, which takes the batches from an iterator."""

import functools
import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from keras_resnets.xla import xla_scope
from trainers.engine.settings import Settings
from trainers.engine.state import State
from trainers.engine.task import Task
from trainers.engine.training_step import training_step


def compiled_steps(
    task: Task, state: State, settings: Settings, strategy: tf.distribute.Strategy, jit_compile: bool
) -> Callable[..., tuple[dict[str, tf.Tensor], tf.Tensor]]:
    """Returns a function that makes steps of training.

    Args:
        task: the task.
        state: the state that the steps change.
        settings: how to train.
        strategy: a `tf.distribute.Strategy`, in whose scope the state was made.
        jit_compile: whether XLA compiles a step.

    Returns:
        A function of an iterator of distributed batches and a number of steps, an int32 tensor. It returns the figures
        of each step, a dict of (steps,) float32, and the seconds of waiting for data, a float64 scalar.
    """
    one_step = training_step(
        task,
        state,
        settings.recipe,
        remat=settings.remat,
        skip_nonfinite=settings.on_nan == "skip_step" or settings.precision == "mixed_float16",
    )
    one_step = _at_resolutions(task, strategy, by_xla(one_step) if jit_compile else one_step)
    # The host of a TPU is another machine, which does not run this Python program.
    now = tf.timestamp if isinstance(strategy, tf.distribute.TPUStrategy) else _python_time
    names = []

    def step(batch):
        figures = one_step(batch)
        names.clear()
        names.extend(figures)
        return tf.stack(list(figures.values()))

    @tf.function
    def steps(iterator, count):
        rows = tf.TensorArray(tf.float32, size=count)
        waited = tf.constant(0.0, tf.float64)
        for i in tf.range(count):
            # In parallel, a step would wait for data before the last one has ended, and the wait would be counted.
            tf.autograph.experimental.set_loop_options(parallel_iterations=1)
            start = now()
            with tf.control_dependencies([start]):
                batch = next(iterator)
            with tf.control_dependencies(tf.nest.flatten(batch, expand_composites=True)):
                end = now()
            waited += end - start
            # On one core, the clock would be read after the step that could begin before it.
            with tf.control_dependencies([end]):
                batch = tf.nest.map_structure(tf.identity, batch, expand_composites=True)
            rows = rows.write(i, step(batch))
        return dict(zip(names, tf.unstack(rows.stack(), axis=1))), waited

    return steps


def by_xla(step: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a step of training that XLA compiles, with layers that have another form for it in that form."""

    def in_scope(*arguments):
        with xla_scope():
            return step(*arguments)

    return tf.function(in_scope, jit_compile=True)


def _at_resolutions(task, strategy, one_step):
    """Returns a function of a distributed batch that makes a step on all replicas, at the batch's resolution.

    The function returns the figures of the first replica, a dict of scalars.
    """
    resolutions = task.resolutions()

    def step_at(resolution, batch):
        figures = strategy.run(lambda batch: one_step(resolution(batch)), args=(batch,))
        return {name: strategy.experimental_local_results(value)[0] for name, value in figures.items()}

    def step(batch):
        if len(resolutions) == 1:
            return step_at(resolutions[0], batch)
        # Not in the replicas' step: XLA compiles a step to static shapes, and replicas cannot meet in a branch.
        number = strategy.experimental_local_results(batch["resolution"])[0][0]
        return tf.switch_case(number, [functools.partial(step_at, one, batch) for one in resolutions])

    return step


def _python_time():
    """Returns the time in a graph, a float64 scalar; tf.timestamp does not work with --deterministic."""
    return tf.ensure_shape(tf.numpy_function(time.monotonic, [], tf.float64), [])
