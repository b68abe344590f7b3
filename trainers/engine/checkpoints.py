"""The checkpoints of a run: the last few, and the best."""

import os
import pathlib
import sys

import keras
import tensorflow as tf

from keras_resnets.errors import ArgumentError, first_line
from trainers.engine.run_folder import RunFolder
from trainers.engine.task import Task
from trainers.recipes.recipe import Recipe

LAST_KEPT = 3


class Checkpoints:
    """Saves and restores the state of a run in `folder`, and the best state in `folder/best`.

    A checkpoint appears when it is complete: TensorFlow writes it under another name first.

    Args:
        checkpoint: a `tf.train.Checkpoint` of everything that a step changes.
        folder: path.
        device: the device that reads and writes the files; None for the devices of the variables.
    """

    def __init__(self, checkpoint: tf.train.Checkpoint, folder: str | os.PathLike, device: str | None = None):
        self._checkpoint, self._folder = checkpoint, folder
        self._options = tf.train.CheckpointOptions(experimental_io_device=device)
        self._last = _manager(checkpoint, folder, LAST_KEPT)
        self._best = _manager(checkpoint, pathlib.Path(folder) / "best", 1)

    def save(self, step: int) -> None:
        """Saves the state at `step`, and removes the oldest of more than three."""
        self._save(self._last, step)

    def save_best(self, step: int) -> None:
        """Saves the state at `step` as the best one."""
        self._save(self._best, step)

    def restore(self) -> int:
        """Restores the newest checkpoint that can be read; returns its step, or 0 if there is no checkpoint."""
        paths = saved(self._folder)
        return _restore_newest(self._checkpoint, paths, self._options, exact=True) if paths else 0

    def _save(self, manager, step):
        try:
            manager.save(step, options=self._options)
        except tf.errors.OpError as error:
            raise ArgumentError(
                f"the checkpoint of step {step} cannot be written to {manager.directory} ({first_line(error)}): "
                "earlier checkpoints are complete. Make room, and give the same command to go on from the last one."
            ) from error


def trained_model(task: Task, run: RunFolder) -> keras.Model:
    """Returns a new model of a task with the weights of a run's last checkpoint: see `restore_model`."""
    model = task.build_model()
    restore_model(model, run)
    return model


def restore_model(model: keras.Model, run: RunFolder, best: bool = False) -> int:
    """Loads a run's last or best checkpoint into a model: the moving average of the weights, if the run has one.

    Args:
        model: a new model of the run's task.
        run: the run's folder.
        best: whether to load the checkpoint with the lowest error, instead of the last one. A run with --patience has
            that in any case, when it is complete.

    Returns:
        The step of the checkpoint.

    Raises:
        ArgumentError: if the run has no such checkpoint, or none can be read.
    """
    best = best or run.takes_best()
    paths = saved(run.checkpoints / "best" if best else run.checkpoints)
    if not paths:
        kind = "best checkpoint" if best else "checkpoint"
        raise ArgumentError(f"--model_dir={run.path} has no {kind} yet: train on.")
    checkpoint = tf.train.Checkpoint(**{measured_part(Recipe(**run.config()["recipe"])): model})
    return _restore_newest(checkpoint, paths, tf.train.CheckpointOptions(), exact=False)


def measured_part(recipe: Recipe) -> str:
    """Returns the name of the net, in a run's checkpoints, that is evaluated and exported."""
    return "model" if recipe.ema_decay is None else "average"


def _manager(checkpoint, folder, kept):
    try:
        return tf.train.CheckpointManager(checkpoint, folder, kept)
    except ValueError:  # TensorFlow's list of the checkpoints is damaged.
        (pathlib.Path(folder) / "checkpoint").unlink()
        return tf.train.CheckpointManager(checkpoint, folder, kept)


def saved(folder: str | os.PathLike) -> list[str]:
    """Returns the paths of the checkpoints in a folder, oldest first; TensorFlow's own list may be damaged."""
    paths = [str(path).removesuffix(".index") for path in pathlib.Path(folder).glob("ckpt-*.index")]
    return sorted(paths, key=_step)


def _step(path):
    return int(path.rpartition("-")[2])


def _restore_newest(checkpoint, paths, options, exact):
    """Restores the last of `paths` that can be read, and prints what is wrong with later ones; returns its step."""
    problems = []
    for path in reversed(paths):
        try:
            status = checkpoint.restore(path, options).assert_existing_objects_matched()
            if not exact:
                status.expect_partial()
        except (tf.errors.OpError, AssertionError, IndexError, ValueError) as error:
            problems.append(f"the checkpoint {path} cannot be read ({first_line(error)})")
        else:
            for problem in problems:
                print(f"{problem}: going on from {path}", file=sys.stderr)
            return _step(path)
    raise ArgumentError(
        f"{'; '.join(problems)}: restore the files, or remove checkpoints and results.json from the run's folder, and "
        "give the command that trains it again (stages that are complete are not repeated)."
    )
