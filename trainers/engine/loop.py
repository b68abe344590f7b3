"""One training loop for every `trainers.engine.task.Task`, on any strategy."""

import signal
import sys
import time

import tensorflow as tf

from keras_resnets.errors import ArgumentError
from trainers.engine.checkpoints import Checkpoints, saved
from trainers.engine.compilation import can_compile, choose, timed_batches
from trainers.engine.compiled_steps import compiled_steps
from trainers.engine.lengthening import reopen
from trainers.engine.predictor import predictor
from trainers.engine.run_folder import RunFolder
from trainers.engine.run_log import RunLog
from trainers.engine.settings import Settings
from trainers.engine.state import State
from trainers.engine.task import Task
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
        The last evaluation's line of metrics.jsonl: `step`, the metrics, and `seconds` of all sessions; with what the
        task's `report` returns, if it was evaluated in this session. With `settings.patience`, it is the line of the
        best evaluation, with `last_step` of the run, and `patience`.

    Raises:
        ArgumentError: if the settings do not fit together, or the run cannot go on.
        Interrupted: after SIGTERM or SIGINT, or the deadline; the state is saved.
    """
    strategy = settings.strategy or tf.distribute.get_strategy()
    check(settings, strategy)
    with explained(several_machines(strategy)):
        is_new = not saved(run.checkpoints)
        state, notes = new_state(task, settings, strategy, initialized=is_new)
        if notes and run.chief:
            print(notes, file=sys.stderr)
        run.begin(task.config)  # Not earlier: a configuration that no model can be built with leaves no files.
        with run.locked(), Interruption() as interruption:
            reopen(run, task)
            for line in task.examine(state.model, run) if is_new and run.chief else []:
                print(line, file=sys.stderr)
            training = _Training(task, run, settings, strategy, state)
            training.prepare()
            return training.until_the_end(interruption)


def check(settings: Settings, strategy: tf.distribute.Strategy) -> None:
    """Raises ArgumentError if the settings do not fit the strategy."""
    replica_batch(settings.recipe.batch_size, settings.recipe.accumulation, strategy)
    if settings.jit_compile is True and not can_compile(strategy):
        raise ArgumentError(
            "--jit_compile works with --distribution=one_device only: leave it out (on a TPU, XLA compiles every step "
            "in any case)."
        )


def new_state(
    task: Task, settings: Settings, strategy: tf.distribute.Strategy, initialized: bool = True
) -> tuple[State, str | None]:
    """Returns the state before the first step, and a line to print about its weights, or None.

    Args:
        task: the task.
        settings: how to train.
        strategy: a `tf.distribute.Strategy`.
        initialized: whether the weights are those of the task's `initialize`, instead of the builder's.
    """
    with strategy.scope():
        state = State(task, settings.recipe, settings.steps, settings.precision)
    notes = [task.initialize(model) for model in state.models()] if initialized else [None]
    if settings.sync_batch_norm and strategy.num_replicas_in_sync > 1:
        state.synchronize_batch_normalization()
    return state, notes[0]


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
        self._step, self._steps, self._log, self._evaluations, self._reported = 0, None, None, [], {}

    def prepare(self):
        """Restores the last checkpoint, removes later lines of the log, and chooses the function of the steps."""
        self._step = self._checkpoints.restore()
        self._check_same_run_everywhere()
        self._run.drop_metrics_after(self._step)
        self._evaluations = [line for line in self._run.evaluations() if line["step"] <= self._step]
        self._steps = self._chosen_steps()
        self._log = RunLog(self._run, self._settings.recipe.batch_size)

    def until_the_end(self, interruption):
        """Trains; returns the result of `run_loop`."""
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
            while self._step < settings.steps and not self._is_out_of_patience():
                before = self._step
                # Calls end at multiples of their length, wherever a run was interrupted.
                self._step = min(before + settings.steps_per_call - before % settings.steps_per_call, settings.steps)
                self._log.add(*self._steps(iterator, tf.constant(self._step - before)))
                progress.update((self._step - before) * batch_size)
                stopping = self._on_any_machine(interruption.signal or self._is_late())
                self._log_and_save(before, stopping, progress)
                if stopping:
                    # This waits for all machines: none leaves before the chief has saved.
                    is_signal = self._on_any_machine(interruption.signal)
                    raise Interrupted(interruption.signal or (signal.SIGTERM if is_signal else 0), self._step)
            return self._result(progress)

    def _is_late(self):
        return self._settings.deadline is not None and time.monotonic() >= self._settings.deadline

    def _is_out_of_patience(self):
        patience = self._settings.patience
        return patience is not None and self._on_any_machine(self._evaluations_after(self._best()) >= patience)

    def _best(self):
        """Returns the line of the best evaluation, the first one among equals, or None without an evaluation."""
        return min(self._evaluations, key=self._task.selection_metric, default=None)

    def _evaluations_after(self, line):
        return 0 if line is None else len(self._evaluations) - 1 - self._evaluations.index(line)

    def _result(self, progress):
        """Returns the result of `run_loop`."""
        if self._settings.patience is None:
            return {**self._log.results(), **self._reported}
        best = self._best()
        if self._step < self._settings.steps:
            count = self._evaluations_after(best)
            progress.report(f"stopped at step {self._step}: no better result in {count} evaluations (--patience)")
        progress.report(f"the result is the best evaluation, of step {best['step']}: it is evaluated and exported")
        return {**best, **self._reported, "last_step": self._step, "patience": self._settings.patience}

    def _log_and_save(self, before, stopping, progress):
        def due(interval):
            return self._step // interval > before // interval or self._step == self._settings.steps

        # Every checkpoint ends the window of a line, so that the log does not depend on where a run was resumed. The
        # checkpoint is saved before the evaluation, which may take long.
        checkpoint, evaluation = stopping or due(self._settings.checkpoint_every), due(self._settings.evaluate_every)
        checkpoint |= evaluation and self._settings.patience is not None  # It may be the last one.
        if checkpoint or evaluation or due(self._settings.log_every):
            progress.report(self._log.training(self._step, self._settings.on_nan))
        if checkpoint and self._run.chief:
            self._checkpoints.save(self._step)
            self._run.remove_results()  # Not earlier: they are those of the checkpoint before.
        if evaluation and not stopping:
            self._evaluate(progress)

    def _evaluate_what_was_saved(self, progress):
        """Evaluates the restored step if that is due, or updates the state from the evaluation that was logged."""
        done = [line for line in self._evaluations if line["step"] == self._step]
        if done:
            self._state.best.assign(min(self._state.best.numpy(), self._task.selection_metric(done[-1])))
        elif self._step % self._settings.evaluate_every == 0 or self._step == self._settings.steps:
            self._evaluate(progress)

    def _evaluate(self, progress):
        settings = self._settings
        with self._log.evaluating():
            predictions = self._predict()
            metrics, pictures = self._task.metrics(predictions), self._task.pictures(predictions)
        value = self._task.selection_metric(metrics)
        is_best = value < self._state.best.numpy()
        if is_best:
            self._state.best.assign(value)
            if self._run.chief:
                self._checkpoints.save_best(self._step)
                self._run.remove_results()
        if self._run.chief and (self._step == settings.steps if settings.patience is None else is_best):
            self._reported = self._task.report(predictions, metrics, self._run)
        # The log comes last: an evaluation that is logged is not repeated.
        progress.report(self._log.evaluation(self._step, metrics, pictures))
        self._evaluations.append(self._log.results())

    def _chosen_steps(self):
        """Returns the function of `compiled_steps` that `settings.jit_compile` says."""
        if self._settings.jit_compile != AUTO:
            return self._compiled(self._settings.jit_compile)
        steps = {jit_compile: self._compiled(jit_compile) for jit_compile in (False, True)}
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
        """Returns what `choose` finds for functions of `compiled_steps`, and restores the state."""
        batches = self._strategy.distribute_datasets_from_function(
            lambda context: timed_batches(self._task.training_batches(self._step, context))
        )
        with self._state.unchanged():
            return choose(steps, iter(batches), self._settings.recipe.batch_size)

    def _compiled(self, jit_compile):
        return compiled_steps(self._task, self._state, self._settings, self._strategy, jit_compile)

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
