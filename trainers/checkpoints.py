"""The checkpoints of a run: the last few, and the best."""

import pathlib
import sys

import tensorflow as tf

from keras_resnets import ArgumentError
from trainers.failures import first_line

LAST_KEPT = 3


class Checkpoints:
    """Saves and restores the state of a run in `folder`; the best state in `folder/best`.

    A checkpoint appears only when it is complete: TensorFlow writes it under another name first.

    Args:
        checkpoint: a `tf.train.Checkpoint` of all that a run changes.
        folder: path.
    """

    def __init__(self, checkpoint, folder):
        self._checkpoint = checkpoint
        self._last = tf.train.CheckpointManager(checkpoint, folder, max_to_keep=LAST_KEPT)
        self._best = tf.train.CheckpointManager(checkpoint, pathlib.Path(folder) / "best", max_to_keep=1)

    def save(self, step):
        """Saves the state at `step`, and forgets the oldest one."""
        _save(self._last, step)

    def save_best(self, step):
        """Saves the state at `step` as the best."""
        _save(self._best, step)

    def restore(self):
        """Restores the newest checkpoint that can be read; returns its step, or 0 if there is none at all."""
        if not self._last.checkpoints:
            return 0
        return _restore_newest(self._checkpoint, self._last.checkpoints, exact=True)


def restore_model(model, run, best=False):
    """Gives a model the weights of a run's last or best checkpoint: the moving averages, if the run has them.

    Args:
        model: as the task builds it.
        run: a `trainers.run.Run`.
        best: whether to take the checkpoint with the lowest error of all evaluations, instead of the last one.

    Returns:
        The step of the checkpoint.

    Raises:
        ArgumentError: if the run has no such checkpoint yet, or none can be read.
    """
    folder = run.checkpoints / "best" if best else run.checkpoints
    state = tf.train.get_checkpoint_state(folder)
    if state is None:
        kind = "best checkpoint" if best else "checkpoint"
        raise ArgumentError(f"--model_dir={run.path} has no {kind} yet: let its training go on.")
    averaged = run.config()["recipe"]["ema_decay"] is not None
    checkpoint = tf.train.Checkpoint(**{"average" if averaged else "model": model})
    return _restore_newest(checkpoint, state.all_model_checkpoint_paths, exact=False)


def _restore_newest(checkpoint, paths, exact):
    """Restores the last of `paths` that can be read, and tells of those that cannot."""
    problems = []
    for path in reversed(paths):
        try:
            status = checkpoint.restore(path).assert_existing_objects_matched()
            if not exact:
                status.expect_partial()
        except (tf.errors.OpError, AssertionError, IndexError, ValueError) as error:
            problems.append(f"the checkpoint {path} cannot be read ({first_line(error)})")
        else:
            for problem in problems:
                print(f"{problem}: going on from {path}", file=sys.stderr)
            return int(path.rpartition("-")[2])
    raise ArgumentError(f"{'; '.join(problems)}: restore the files, or train again in another --model_dir.")


def _save(manager, step):
    try:
        manager.save(step)
    except tf.errors.OpError as error:
        raise ArgumentError(
            f"the checkpoint of step {step} cannot be written to {manager.directory} ({first_line(error)}): "
            "what was saved before is whole; make room, and give the same command to go on from there."
        ) from error
