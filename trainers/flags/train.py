"""What a command that trains does with its flags: a run, or the search for a learning rate before it."""

from __future__ import annotations

import pathlib
import sys
from typing import TYPE_CHECKING

from absl import flags

from keras_resnets.errors import ArgumentError
from trainers.flags.training import settings_from_flags
from trainers.runtime.choices import AUTO

if TYPE_CHECKING:
    import tensorflow as tf

    from trainers.engine.run_folder import RunFolder
    from trainers.engine.task import Task


def check_for_stages(stages_flag: str) -> None:
    """Raises ArgumentError for flags that need a training in one loop.

    Args:
        stages_flag: the flag that asks for a training in several stages, e.g. "--alternating".
    """
    if flags.FLAGS.batch_size == AUTO:
        raise ArgumentError(f"--batch_size={AUTO} works without {stages_flag}: pass a number.")
    if flags.FLAGS.find_learning_rate:
        raise ArgumentError(f"--find_learning_rate works without {stages_flag}: leave one of them out.")


def train_from_flags(task: Task, run: RunFolder, strategy: tf.distribute.Strategy) -> None:
    """Trains with the settings of the flags of `training.define_training`, or finds a learning rate; prints the result.

    Args:
        task, run: see `trainers.engine.train.train`.
        strategy: a `tf.distribute.Strategy`.
    """
    from trainers.engine.train import train
    from trainers.metrics.report import worst_in_words

    if flags.FLAGS.batch_size == AUTO and not run.exists():
        task = _with_largest_batch(task)
    if flags.FLAGS.find_learning_rate:
        _find_learning_rate(task, run, strategy)
        return
    if not run.chief:
        print("The first machine shows the progress and writes the files.", file=sys.stderr)
    results = train(task, run, strategy=strategy, **settings_from_flags())
    if run.chief:
        print(f"{task.title}: {task.summary(results)}, {results['step']} steps, {results['seconds']:.0f} s")
        for line in worst_in_words(results):
            print(line)
        curves = [run.learning_curve, *sorted(run.path.glob(f"*/{run.learning_curve.name}"))]  # of the stages
        for curve in filter(pathlib.Path.exists, curves):
            print(f"learning curve: {curve}")


def _with_largest_batch(task):
    from trainers.tasks.batch_size import with_largest_batch

    return with_largest_batch(task, jit_compile=flags.FLAGS.jit_compile, remat=flags.FLAGS.remat)


def _find_learning_rate(task, run, strategy):
    from trainers.engine.learning_rates import range_test
    from trainers.engine.train import settings_of
    from trainers.plots import figures

    run.check(task.config)
    found = range_test(task, settings_of(task, strategy, **settings_from_flags()))
    run.path.mkdir(parents=True, exist_ok=True)
    figures.range_test(found.rates, found.losses, found.suggested, task.title, run.range_test)
    print(f"--learning_rate={found.suggested:g} is suggested, a tenth of that of the lowest loss ({found.lowest:.1e})")
    print(f"loss over the learning rate: {run.range_test}")
