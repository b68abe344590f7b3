"""One training loop for every task, on any strategy.

A task is an object with a configuration, `config`, and these methods; the loop knows nothing else about it:

- `build_model()` returns a new `keras.Model`, the same at every call;
- `initialize(model)` gives it the weights that training starts from, where these are not the builder's, and returns
  what there is to say about it, or None;
- `learning_rate_factors(model)` returns a factor of the learning rate for each trainable variable;
- `training_batches(first_step, context)` and `evaluation_batches(context)` return a `tf.data.Dataset` of dicts of
  static shape: one replica's share of a batch. `context` is the `tf.distribute.InputContext` of this machine. Padding
  of the last evaluation batches has `weight` 0, examples have 1, and their `index` in the split;
- `forms()` returns functions of a batch: what `losses` takes is what the one returns whose number is the batch's
  `form` (B,) int32, the same for all replicas of a step. Each form has static shapes of its own. Of a single form, the
  number is not asked for;
- `losses(model, batch, training)` returns two dicts of float32 scalars: the terms of the loss, which are added up, and
  figures that are only logged; both are means over the batch;
- `predictions(model, batch)` returns a dict of tensors (B, ...), all that `metrics` needs to know of the examples;
- `metrics(predictions)` returns the figures of the test split, from NumPy arrays (N, ...): a dict of floats, or of None
  for what is undefined;
- `selection_metric(metrics)` returns what the best checkpoint has least of;
- `pictures(predictions)` returns pictures for TensorBoard, a dict of (H, W, 3) uint8, possibly empty.
"""

import dataclasses
import functools
import signal
import sys
import time

import numpy as np
import tensorflow as tf

from keras_resnets import ArgumentError
from keras_resnets.surgery.graph import batch_normalizations
from trainers.engine.checkpoints import Checkpoints, saved
from trainers.engine.compilation import can_compile, choose, timed_batches
from trainers.engine.run_log import RunLog
from trainers.engine.state import State
from trainers.engine.training_step import training_step
from trainers.recipes.recipe import Recipe
from trainers.runtime.choices import AUTO
from trainers.runtime.distribution import replica_batch, several_machines, total_over_replicas
from trainers.runtime.failures import explained
from trainers.runtime.interruption import Interrupted, Interruption
from trainers.runtime.progress import Progress


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes:
        recipe: a `Recipe`.
        steps: of the whole run.
        log_every: steps between two lines of metrics.jsonl; there is one at every checkpoint in any case.
        evaluate_every: steps between two evaluations; there is one at the end in any case.
        checkpoint_every: steps between two checkpoints; there is one at the end in any case.
        strategy: a `tf.distribute.Strategy`; None for the default one, on one device.
        precision: "float32", "mixed_bfloat16" or "mixed_float16".
        sync_batch_norm: whether batch normalization has the statistics of the whole batch, not of a replica's share.
        jit_compile: whether XLA compiles the training step: True, False, or "auto", which measures a few steps of each
            and takes the faster; the run keeps what it took. With a strategy other than the default one, True raises
            ArgumentError, and "auto" is False.
        remat: see `trainers.engine.rematerialization`.
        steps_per_call: steps that one call of TensorFlow makes; logs and checkpoints come between calls.
        on_nan: what to do when a loss is not finite: "stop" the run, or "skip_step", which leaves everything as it was.
    """

    recipe: Recipe
    steps: int
    log_every: int
    evaluate_every: int
    checkpoint_every: int
    strategy: tf.distribute.Strategy | None = None
    precision: str = "float32"
    sync_batch_norm: bool = True
    jit_compile: bool | str = False
    remat: bool = False
    steps_per_call: int = 1
    on_nan: str = "stop"


def train(task, run, settings):
    """Trains, or goes on with, a run.

    Args:
        task: see the module's docstring.
        run: a `trainers.engine.run_folder.RunFolder`, new or begun with the task's configuration.
        settings: a `Settings`.

    Returns:
        The last evaluation's line of metrics.jsonl: `step`, the figures, and `seconds`, over all sessions.

    Raises:
        ArgumentError: if the settings do not fit together, or the run cannot go on.
        Interrupted: after SIGTERM or SIGINT, with the state saved.
    """
    strategy = settings.strategy or tf.distribute.get_strategy()
    replica_batch(settings.recipe.batch_size, settings.recipe.accumulation, strategy)
    if settings.jit_compile is True and not can_compile(strategy):
        raise ArgumentError(
            "--jit_compile works with --distribution=one_device only: leave it out (on a TPU, XLA compiles every step "
            "in any case)."
        )
    with explained(several_machines(strategy)):
        with strategy.scope():
            state = State(task, settings.recipe, settings.steps, settings.precision)
        if not saved(run.checkpoints):
            notes = [task.initialize(model) for model in state.models()]
            if notes[0] and run.chief:
                print(notes[0], file=sys.stderr)
        if settings.sync_batch_norm and strategy.num_replicas_in_sync > 1:
            _synchronize_batch_normalization(state.model)
        run.begin(task.config)  # Only now: what no model can be built or initialized with leaves no trace.
        with run.locked(), Interruption() as interruption:
            return _Training(task, run, settings, strategy, state).until_the_end(interruption)


class _Training:
    """A run in progress."""

    def __init__(self, task, run, settings, strategy, state):
        self._task, self._run, self._settings = task, run, settings
        self._strategy, self._state = strategy, state
        # The host of a TPU cannot write to this machine's folders.
        device = "/job:localhost" if isinstance(strategy, tf.distribute.TPUStrategy) else None
        self._checkpoints = Checkpoints(state.checkpoint(), run.checkpoints, device)
        self._step = self._checkpoints.restore()
        self._total = total_over_replicas(strategy)
        self._check_same_run_everywhere()
        run.drop_metrics_after(self._step)
        self._steps = self._chosen_steps()
        self._log = RunLog(run, settings.recipe.batch_size)
        self._predict = predictor(task, state.measured(), strategy)

    def until_the_end(self, interruption):
        """Trains; returns the last evaluation."""
        settings, batch_size = self._settings, self._settings.recipe.batch_size
        batches = self._strategy.distribute_datasets_from_function(
            lambda context: self._task.training_batches(self._step, context)
        )
        iterator = iter(batches)
        with Progress(
            settings.steps * batch_size, "training", "images", self._step * batch_size, self._run.chief
        ) as progress:
            if self._step:
                progress.report(f"going on from step {self._step}")
                self._evaluate_what_was_saved(progress)
            while self._step < settings.steps:
                before = self._step
                # Calls end at multiples of their length, wherever a run was interrupted.
                self._step = min(before + settings.steps_per_call - before % settings.steps_per_call, settings.steps)
                self._log.add(*self._steps(iterator, tf.constant(self._step - before)))
                progress.update((self._step - before) * batch_size)
                stopping = self._on_any_machine(interruption.signal)
                self._log_and_save(before, stopping, progress)
                if stopping:
                    self._on_any_machine(True)  # No machine leaves before the chief has saved.
                    raise Interrupted(interruption.signal or signal.SIGTERM, self._step)
        return self._log.results()

    def _log_and_save(self, before, stopping, progress):
        def due(interval):
            return self._step // interval > before // interval or self._step == self._settings.steps

        # What is logged must not depend on where a run was resumed: a checkpoint ends a line's window. It comes before
        # the evaluation, which may take long.
        checkpoint, evaluation = stopping or due(self._settings.checkpoint_every), due(self._settings.evaluate_every)
        if checkpoint or evaluation or due(self._settings.log_every):
            progress.report(self._log.training(self._step, self._settings.on_nan))
        if checkpoint and self._run.chief:
            self._checkpoints.save(self._step)
        if evaluation and not stopping:
            self._evaluate(progress)

    def _evaluate_what_was_saved(self, progress):
        """Makes up for the evaluation of the restored step, or, where that was done, for its part of the state."""
        done = [line for line in self._run.metrics() if line["step"] == self._step and "loss" not in line]
        if done:
            self._state.best.assign(min(self._state.best.numpy(), self._task.selection_metric(done[-1])))
        elif self._step % self._settings.evaluate_every == 0 or self._step == self._settings.steps:
            self._evaluate(progress)

    def _evaluate(self, progress):
        with self._log.evaluating():
            predictions = self._predict()
            metrics, pictures = self._task.metrics(predictions), self._task.pictures(predictions)
        selection_metric = self._task.selection_metric(metrics)
        if selection_metric < self._state.best.numpy():
            self._state.best.assign(selection_metric)
            if self._run.chief:
                self._checkpoints.save_best(self._step)
        # Last: an evaluation that is in the log is not made again.
        progress.report(self._log.evaluation(self._step, metrics, pictures))

    def _chosen_steps(self):
        """Returns the function of `_compiled_steps` that `settings.jit_compile` says."""
        if self._settings.jit_compile != AUTO:
            return self._compiled_steps(self._settings.jit_compile)
        steps = {jit_compile: self._compiled_steps(jit_compile) for jit_compile in (False, True)}
        before = self._run.compilation()
        if not can_compile(self._strategy):
            chosen, reason = False, "XLA is for --distribution=one_device only"
        elif before is not None:
            chosen, reason = before["jit_compile"], f"when the run began, {before['reason']}"
        else:
            chosen, reason = self._measured(steps)
            self._run.write_compilation({"jit_compile": chosen, "reason": reason})
        if self._run.chief:
            print(f"--jit_compile={AUTO}: {reason}: {'compiled' if chosen else 'not compiled'}", file=sys.stderr)
        return steps[chosen]

    def _measured(self, steps):
        """Returns what `choose` says of functions of `_compiled_steps`; the state is the same afterwards."""
        batches = self._strategy.distribute_datasets_from_function(
            lambda context: timed_batches(self._task.training_batches(self._step, context))
        )
        with self._state.unchanged():
            return choose(steps, iter(batches), self._settings.recipe.batch_size)

    def _compiled_steps(self, jit_compile):
        """Returns the function of an iterator and a number of steps that makes them, compiled by XLA or not.

        It returns the figures of each step, a dict of (steps,), and the seconds that were spent waiting for data.
        """
        settings, strategy = self._settings, self._strategy
        one_step = training_step(
            self._task,
            self._state,
            settings.recipe,
            remat=settings.remat,
            skip_nonfinite=settings.on_nan == "skip_step" or settings.precision == "mixed_float16",
        )
        one_step = tf.function(one_step, jit_compile=True) if jit_compile else one_step
        forms = self._task.forms()
        # A TPU's host is another machine, which has no Python.
        now = tf.timestamp if isinstance(strategy, tf.distribute.TPUStrategy) else _python_time
        names = []

        def first_replica(figures):
            names.clear()
            names.extend(figures)
            return tf.stack([strategy.experimental_local_results(value)[0] for value in figures.values()])

        def step_in(form, batch):
            return first_replica(strategy.run(lambda batch: one_step(form(batch)), args=(batch,)))

        def step(batch):
            if len(forms) == 1:
                return step_in(forms[0], batch)
            # Outside of the replicas' step: one with a condition could not be compiled to static shapes, or be shared.
            number = strategy.experimental_local_results(batch["form"])[0][0]
            return tf.switch_case(number, [functools.partial(step_in, form, batch) for form in forms])

        @tf.function
        def steps(iterator, count):
            rows = tf.TensorArray(tf.float32, size=count)
            waited = tf.constant(0.0, tf.float64)
            for i in tf.range(count):
                # A step that began before the last one ended would wait for its data meanwhile.
                tf.autograph.experimental.set_loop_options(parallel_iterations=1)
                start = now()
                with tf.control_dependencies([start]):
                    batch = next(iterator)
                with tf.control_dependencies(tf.nest.flatten(batch, expand_composites=True)):
                    waited += now() - start
                rows = rows.write(i, step(batch))
            return dict(zip(names, tf.unstack(rows.stack(), axis=1))), waited

        return steps

    def _on_any_machine(self, flag):
        """Whether the flag is true on any of the machines, which must stop together."""
        return bool(self._total(bool(flag))) if several_machines(self._strategy) else bool(flag)

    def _check_same_run_everywhere(self):
        if not several_machines(self._strategy):
            return
        mean = self._total(self._step) / self._strategy.num_replicas_in_sync
        if mean != self._step or not self._run.exists():
            raise ArgumentError(
                f"--model_dir={self._run.path}: the run of the first machine is not there: "
                "it must be a folder that all machines share."
            )
        self._run.check(self._task.config)  # By now, the chief has written its own.


def predictor(task, model, strategy):
    """Returns a function without arguments that returns the predictions of every example of the test split, once.

    Args:
        task: see the module's docstring.
        model: the `keras.Model` to evaluate, made in the strategy's scope.
        strategy: the `tf.distribute.Strategy`.

    Returns:
        A function that returns a dict of NumPy arrays (N, ...), in the data set's order.
    """

    def on_replica(batch):
        return {**task.predictions(model, batch), "index": batch["index"], "weight": batch["weight"]}

    @tf.function
    def gathered(batch):
        predictions = strategy.run(on_replica, args=(batch,))
        return {name: strategy.gather(values, axis=0) for name, values in predictions.items()}

    def predict():
        batches = strategy.distribute_datasets_from_function(task.evaluation_batches)
        rows = [{name: values.numpy() for name, values in gathered(batch).items()} for batch in batches]
        table = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
        examples = np.flatnonzero(table.pop("weight"))
        examples = examples[np.argsort(table.pop("index")[examples])]
        return {name: values[examples] for name, values in table.items()}

    return predict


def _python_time():
    """Returns the time, float64, when a step in a graph comes to it; tf.timestamp refuses with --deterministic."""
    return tf.ensure_shape(tf.numpy_function(time.monotonic, [], tf.float64), [])


def _synchronize_batch_normalization(model):
    for layer in batch_normalizations(model):
        layer.synchronized = True
