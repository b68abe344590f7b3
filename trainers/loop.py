"""One training loop for every task.

A task is an object with a configuration, `config`, and four methods; the loop knows nothing else about it:

- `build_model()` returns a `keras.Model` in its initial state;
- `training_batches(first_step, steps)` returns a `tf.data.Dataset` of batches of static shape;
- `losses(model, batch, training)` returns two dicts of float32 scalars: the terms of the loss, which are added up, and
  figures that are only logged; both are means over the batch;
- `evaluate(model)` returns the figures of the test split, as a dict of floats.
"""

import contextlib
import dataclasses
import math
import pathlib
import time

import keras
import tensorflow as tf

from keras_resnets import ArgumentError
from trainers.progress import Progress

CHECKPOINTS_KEPT = 3


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes:
        optimizer: a new Keras optimizer.
        weight_decay: see `trainers.recipes.Recipe`.
        batch_size: examples of a step.
        steps: of the whole run.
        log_every: steps between two lines of metrics.jsonl; there is one at every checkpoint in any case.
        evaluate_every: steps between two evaluations; there is one at the end in any case.
        checkpoint_every: steps between two checkpoints; there is one at the end in any case.
        jit_compile: whether XLA compiles the training step.
    """

    optimizer: keras.optimizers.Optimizer
    weight_decay: float
    batch_size: int
    steps: int
    log_every: int
    evaluate_every: int
    checkpoint_every: int
    jit_compile: bool = False


def train(task, run, settings):
    """Trains, or goes on with, a run.

    Args:
        task: see the module's docstring.
        run: a `trainers.run.Run`, new or begun with the task's configuration.
        settings: a `Settings`.

    Returns:
        The last evaluation's line of metrics.jsonl: `step`, the figures, and `seconds`, over all sessions.
    """
    model, optimizer, steps = task.build_model(), settings.optimizer, settings.steps
    optimizer.build(model.trainable_variables)
    run.begin(task.config)  # Only now: arguments that no model can be built with leave no trace.
    manager = _checkpoint_manager(model, optimizer, run)
    step = _restore(manager)
    run.drop_metrics_after(step)
    log = _Log(run, settings.batch_size)
    train_step = training_step(task, model, settings)

    def due(step, interval):
        return step % interval == 0 or step == steps

    with Progress(steps * settings.batch_size, "training", "images", done=step * settings.batch_size) as progress:
        for batch in task.training_batches(step, steps):
            log.add(train_step(batch))
            step += 1
            progress.update(settings.batch_size)
            # What is logged must not depend on where a run was resumed: a checkpoint ends a line's window, and comes
            # after the lines of its step.
            checkpoint = due(step, settings.checkpoint_every)
            if checkpoint or due(step, settings.log_every):
                progress.report(log.training(step))
            if due(step, settings.evaluate_every):
                progress.report(log.evaluation(step, task, model))
            if checkpoint:
                manager.save(step)
    return log.results()


def restore_model(model, run):
    """Gives a model the weights of a run's last checkpoint.

    Args:
        model: as the task builds it.
        run: a `trainers.run.Run`.

    Returns:
        The step of the checkpoint.

    Raises:
        ArgumentError: if the run has no checkpoint yet.
    """
    path = tf.train.latest_checkpoint(run.checkpoints)
    if path is None:
        raise ArgumentError(f"--model_dir={run.path} has no checkpoint yet: let its training go on.")
    with _named_checkpoint(path):
        tf.train.Checkpoint(model=model).restore(path).assert_existing_objects_matched().expect_partial()
    return int(path.rpartition("-")[2])


def training_step(task, model, settings):
    """Returns the function of one step: batch to losses, losses to gradients, gradients to weights.

    It takes a batch of the task and returns `loss` (L2 included), `learning_rate` and the task's figures, as scalars.
    """
    optimizer = settings.optimizer
    kernels = [variable for variable in model.trainable_variables if variable.path.endswith("/kernel")]

    @tf.function(jit_compile=settings.jit_compile)
    def train_step(batch):
        with tf.GradientTape() as tape:
            losses, figures = task.losses(model, batch, training=True)
            l2 = sum(tf.reduce_sum(tf.square(kernel.value)) for kernel in kernels)
            loss = sum(losses.values()) + settings.weight_decay / 2 * l2
        gradients = tape.gradient(loss, model.trainable_variables)
        learning_rate = optimizer.learning_rate
        optimizer.apply(gradients, model.trainable_variables)
        return {"loss": loss, "learning_rate": learning_rate, **figures}

    return train_step


def _checkpoint_manager(model, optimizer, run):
    # A model's checkpoint leaves out the state of its random generators (dropout).
    generators = [variable.value for variable in model.variables if variable.path.endswith("seed_generator_state")]
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer, generators=generators)
    return tf.train.CheckpointManager(checkpoint, run.checkpoints, max_to_keep=CHECKPOINTS_KEPT)


def _restore(manager):
    """Returns the step that the run is at: 0 without a checkpoint."""
    if manager.latest_checkpoint is None:
        return 0
    with _named_checkpoint(manager.latest_checkpoint):
        manager.checkpoint.restore(manager.latest_checkpoint).assert_existing_objects_matched()
    return int(manager.checkpoint.optimizer.iterations)


@contextlib.contextmanager
def _named_checkpoint(path):
    """Turns what TensorFlow raises for a damaged checkpoint into an error that names it."""
    try:
        yield
    except (tf.errors.OpError, AssertionError, IndexError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ArgumentError(
            f"the checkpoint {path} cannot be read ({reason}): remove its files and its entry in "
            f"{pathlib.Path(path).parent / 'checkpoint'} to use the one before."
        ) from error


class _Log:
    """Writes figures to metrics.jsonl and TensorBoard."""

    def __init__(self, run, batch_size):
        self._run, self._batch_size = run, batch_size
        lines = run.metrics()
        self._seconds_before = lines[-1]["seconds"] if lines else 0.0
        self._start = self._window_start = time.monotonic()
        self._window = []
        self._writers = {name: tf.summary.create_file_writer(str(run.tensorboard / name)) for name in ("train", "test")}

    def add(self, figures):
        """Collects the figures of one step."""
        self._window.append(figures)

    def training(self, step):
        """Logs the means since the last call; returns them as text."""
        figures = {key: float(sum(one[key] for one in self._window)) / len(self._window) for key in self._window[0]}
        figures["learning_rate"] = float(self._window[-1]["learning_rate"])
        if not math.isfinite(figures["loss"]):
            raise ArgumentError(
                f"the loss is {figures['loss']} at step {step}: "
                "train with a lower --learning_rate, in another --model_dir."
            )
        seconds = time.monotonic() - self._window_start
        figures["examples_per_second"] = round(len(self._window) * self._batch_size / seconds, 1)
        self._window, self._window_start = [], time.monotonic()
        return self._write("train", step, figures)

    def evaluation(self, step, task, model):
        """Evaluates and logs the figures; returns them as text."""
        start = time.monotonic()
        figures = task.evaluate(model)
        self._window_start += time.monotonic() - start  # It is no part of the training's examples per second.
        return self._write("test", step, figures)

    def results(self):
        """Returns the last evaluation: its step, its figures, and the seconds of all sessions of the run."""
        return [line for line in self._run.metrics() if "loss" not in line][-1]

    def _seconds(self):
        return round(self._seconds_before + time.monotonic() - self._start, 1)

    def _write(self, split, step, figures):
        self._run.log(step=step, **figures, seconds=self._seconds())
        with self._writers[split].as_default(step):
            for key, value in figures.items():
                tf.summary.scalar(key, value)
        return f"step {step}  " + "  ".join(f"{key} {value:.4g}" for key, value in figures.items())
