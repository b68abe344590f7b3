"""The log of a run: metrics.jsonl and TensorBoard's events."""

import contextlib
import time

import numpy as np
import tensorflow as tf

from keras_resnets.errors import ArgumentError
from trainers.engine.run_folder import RunFolder
from trainers.runtime.failures import Diverged

MOST_SKIPPED = 100  # steps in a row, after which a run stops


class RunLog:
    """Logs the metrics of training and of evaluations. Only the chief writes files.

    Args:
        run: the run's folder, with a configuration.
        batch_size: examples of a step.
    """

    def __init__(self, run: RunFolder, batch_size: int):
        self._run, self._batch_size = run, batch_size
        lines = run.metrics()
        self._seconds_before = lines[-1]["seconds"] if lines else 0.0
        self._start = self._window_start = time.monotonic()
        self._window, self._waited = [], []
        self._skipped_in_a_row = 0
        self._writers = {
            name: tf.summary.create_file_writer(str(run.tensorboard / name))
            if run.chief
            else tf.summary.create_noop_writer()
            for name in ("train", "test")
        }
        self._last_evaluation = None

    def add(self, figures: dict[str, tf.Tensor], waited: tf.Tensor) -> None:
        """Collects the figures of some steps, a dict of tensors (steps,), and the seconds of waiting for data."""
        self._window.append(figures)
        self._waited.append(waited)

    def training(self, step: int, on_nan: str) -> str:
        """Logs the means since the last call; returns them as text.

        Raises:
            Diverged: (an ArgumentError) if `on_nan` is "stop" and a loss was not finite.
            ArgumentError: if too many steps in a row were skipped.
        """
        window = {name: np.concatenate([one[name].numpy() for one in self._window]) for name in self._window[0]}
        finite = np.isfinite(window["loss"])
        if on_nan == "stop" and not finite.all():
            first = step - len(finite) + 1 + int(np.argmin(finite))
            raise Diverged(
                f"the loss is {window['loss'][~finite][0]} at step {first}: train in another --model_dir with a lower "
                "--learning_rate, or with --on_nan=skip_step."
            )
        self._check_skipped(step, window.get("skipped", np.zeros(1)))
        everywhere = np.ones_like(finite)
        figures = {name: _mean(values, everywhere if name == "skipped" else finite) for name, values in window.items()}
        figures["learning_rate"] = float(window["learning_rate"][-1])
        seconds = time.monotonic() - self._window_start
        figures["examples_per_second"] = round(len(finite) * self._batch_size / seconds, 1)
        figures["input_wait"] = round(float(np.sum(self._waited)) / seconds, 4)
        self._window, self._waited, self._window_start = [], [], time.monotonic()
        return self._write("train", step, figures)

    def _check_skipped(self, step, skipped):
        last = np.flatnonzero(skipped == 0)
        self._skipped_in_a_row = len(skipped) - 1 - last[-1] if last.size else self._skipped_in_a_row + len(skipped)
        if self._skipped_in_a_row >= MOST_SKIPPED:
            raise ArgumentError(
                f"the last {self._skipped_in_a_row} steps until {step} were skipped, as their gradients were not "
                "finite: train in another --model_dir with a lower --learning_rate."
            )

    @contextlib.contextmanager
    def evaluating(self):
        """Excludes the time of an evaluation from the examples per second, for a `with` statement."""
        start = time.monotonic()
        yield
        self._window_start += time.monotonic() - start

    def evaluation(self, step: int, figures: dict[str, float | None], pictures: dict[str, np.ndarray]) -> str:
        """Logs the figures of an evaluation, and its pictures for TensorBoard; returns the figures as text."""
        with self._writers["test"].as_default(step):
            for name, picture in pictures.items():
                tf.summary.image(name, picture[np.newaxis])
        self._last_evaluation = {"step": step, **figures, "seconds": self._seconds()}
        return self._write("test", step, figures)

    def results(self) -> dict:
        """Returns the last evaluation: its step, its figures, and the seconds of all sessions of the run."""
        return self._last_evaluation or self._run.evaluations()[-1]

    def _seconds(self):
        return round(self._seconds_before + time.monotonic() - self._start, 1)

    def _write(self, split, step, figures):
        self._run.log(step=step, **figures, seconds=self._seconds())
        with self._writers[split].as_default(step):
            for name, value in figures.items():
                if value is not None:
                    tf.summary.scalar(name, value)
        shown = (f"{name} {value:.4g}" for name, value in figures.items() if value is not None)
        return f"step {step}  " + "  ".join(shown)


def _mean(values, chosen):
    """Returns the mean of the chosen values, or None if there are none."""
    return float(np.mean(values[chosen])) if chosen.any() else None
