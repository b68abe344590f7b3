"""One training loop for every `trainers.engine.task.Task`, on any strategy."""

import functools
import signal
import sys
import time

import tensorflow as tf

from keras_resnets.errors import ArgumentError
from keras_resnets.surgery.graph import batch_normalizations
from trainers.engine.checkpoints import Checkpoints, saved
from trainers.engine.compilation import can_compile, choose, timed_batches
from trainers.engine.predictor import predictor
from trainers.engine.run_folder import RunFolder
from trainers.engine.run_log import RunLog
from trainers.engine.settings import Settings
from trainers.engine.state import State
from trainers.engine.task import Task
from trainers.engine.training_step import training_step
from trainers.runtime.choices import AUTO
from trainers.runtime.distribution import replica_batch, several_machines, total_over_replicas
from trainers.runtime.failures import explained
from trainers.runtime.interruption import Interrupted, Interruption
from trainers.runtime.progress import Progress


def run_loop(task: Task, run: RunFolder, settings: Settings) -> dict:
    """Trains, or goes on with, a run.

    Args:
        task: the task.
        run: the run's folder, new or begun with the task's configuration.
        settings: how to train.

    Returns:
        The last evaluation's line of metrics.jsonl: `step`, the metrics, and `seconds` of all sessions.

    Raises:
        ArgumentError: if the settings do not fit together, or the run cannot go on.
        Interrupted: after SIGTERM or SIGINT; the state is saved.
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
        run.begin(task.config)  # Not earlier: a configuration that no model can be built with leaves no files.
        with run.locked(), Interruption() as interruption:
            training = _Training(task, run, settings, strategy, state)
            training.prepare()
            return training.until_the_end(interruption)


class _Training:
    """A run in progress, which begins with `prepare`."""

    def __init__(self, task, run, settings, strategy, state):
        self._task, self._run, self._settings = task, run, settings
        self._strategy, self._state = strategy, state
        # The host of a TPU cannot write to this machine's folders.
        device = "/job:localhost" if isinstance(strategy, tf.distribute.TPUStrategy) else None
        self._checkpoints = Checkpoints(state.checkpoint(), run.checkpoints, device)
        self._total = total_over_replicas(strategy)
        self._predict = predictor(task, state.measured(), strategy)
        self._step, self._steps, self._log = 0, None, None

    def prepare(self):
        """Restores the last checkpoint, removes later lines of the log, and chooses the function of the steps."""
        self._step = self._checkpoints.restore()
        self._check_same_run_everywhere()
        self._run.drop_metrics_after(self._step)
        self._steps = self._chosen_steps()
        self._log = RunLog(self._run, self._settings.recipe.batch_size)

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

        # Every checkpoint ends the window of a line, so that the log does not depend on where a run was resumed. The
        # checkpoint is saved before the evaluation, which may take long.
        checkpoint, evaluation = stopping or due(self._settings.checkpoint_every), due(self._settings.evaluate_every)
        if checkpoint or evaluation or due(self._settings.log_every):
            progress.report(self._log.training(self._step, self._settings.on_nan))
        if checkpoint and self._run.chief:
            self._checkpoints.save(self._step)
        if evaluation and not stopping:
            self._evaluate(progress)

    def _evaluate_what_was_saved(self, progress):
        """Evaluates the restored step if that is due, or updates the state from the evaluation that was logged."""
        done = [line for line in self._run.metrics() if line["step"] == self._step and "loss" not in line]
        if done:
            self._state.best.assign(min(self._state.best.numpy(), self._task.selection_metric(done[-1])))
        elif self._step % self._settings.evaluate_every == 0 or self._step == self._settings.steps:
            self._evaluate(progress)

    def _evaluate(self, progress):
        with self._log.evaluating():
            predictions = self._predict()
            metrics, pictures = self._task.metrics(predictions), self._task.pictures(predictions)
        value = self._task.selection_metric(metrics)
        if value < self._state.best.numpy():
            self._state.best.assign(value)
            if self._run.chief:
                self._checkpoints.save_best(self._step)
        # The log comes last: an evaluation that is logged is not repeated.
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
        """Returns what `choose` finds for functions of `_compiled_steps`, and restores the state."""
        batches = self._strategy.distribute_datasets_from_function(
            lambda context: timed_batches(self._task.training_batches(self._step, context))
        )
        with self._state.unchanged():
            return choose(steps, iter(batches), self._settings.recipe.batch_size)

    def _compiled_steps(self, jit_compile):
        """Returns a function of an iterator and a number of steps, which makes the steps, compiled by XLA or not.

        The function returns the figures of each step, a dict of (steps,), and the seconds of waiting for data.
        """
        settings, strategy = self._settings, self._strategy
        one_step = training_step(
            self._task,
            self._state,
            settings.recipe,
            remat=settings.remat,
            skip_nonfinite=settings.on_nan == "skip_step" or settings.precision == "mixed_float16",
        )
        one_step = self._at_resolutions(tf.function(one_step, jit_compile=True) if jit_compile else one_step)
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

    def _at_resolutions(self, one_step):
        """Returns a function of a distributed batch that makes a step on all replicas, at the batch's resolution.

        The function returns the figures of the first replica, a dict of scalars.
        """
        strategy, resolutions = self._strategy, self._task.resolutions()

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

    def _on_any_machine(self, flag):
        """Whether the flag is true on any machine: all machines must stop together."""
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


def _python_time():
    """Returns the time in a graph, a float64 scalar; tf.timestamp does not work with --deterministic."""
    return tf.ensure_shape(tf.numpy_function(time.monotonic, [], tf.float64), [])


def _synchronize_batch_normalization(model):
    for layer in batch_normalizations(model):
        layer.synchronized = True
