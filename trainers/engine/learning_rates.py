"""--find_learning_rate: a learning rate range test (arXiv 1506.01186, section 3.3).

The learning rate rises exponentially over some steps from the initial weights. The loss falls, as soon as the rate is
high enough, and rises again when it is too high. A tenth of the rate with the lowest loss is suggested, as the library
fastai does (`minimum` of its `lr_find`).
"""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_resnets.errors import ArgumentError
from trainers.engine.compiled_steps import compiled_steps
from trainers.engine.loop import check, new_state
from trainers.engine.settings import Settings
from trainers.engine.task import Task
from trainers.runtime.distribution import one_machine
from trainers.runtime.failures import explained
from trainers.runtime.progress import Progress

STEPS = 100
LOWEST, HIGHEST = 1e-6, 10.0
SMOOTHING = 0.9  # of the moving average of the loss
DIVERGED = 4  # times the lowest loss, where the test ends


@dataclasses.dataclass(frozen=True)
class RangeTest:
    """What a range test has found.

    Attributes:
        rates: the learning rates of the steps, rising.
        losses: the loss before each step, smoothed.
    """

    rates: Sequence[float]
    losses: Sequence[float]

    @property
    def lowest(self) -> float:
        """The learning rate with the lowest loss."""
        return self.rates[int(np.argmin(self.losses))]

    @property
    def suggested(self) -> float:
        """A tenth of `lowest`, with one digit."""
        return float(f"{self.lowest / 10:.0e}")


def range_test(task: Task, settings: Settings) -> RangeTest:
    """Makes up to 100 steps with rising learning rates. No run is changed.

    Args:
        task: the task, with a data set.
        settings: how to train; the learning rate has no effect.

    Raises:
        ArgumentError: if the settings do not fit together, there are several machines, or the first loss is not finite.
    """
    strategy = settings.strategy or tf.distribute.get_strategy()
    one_machine(strategy, "--find_learning_rate")
    check(settings, strategy)
    rates, losses, average = [], [], 0.0
    with explained(several_machines=False), Progress(STEPS, "learning rates", "steps") as progress:
        state, _ = new_state(task, settings, strategy)
        state.optimizer.learning_rate = keras.optimizers.schedules.ExponentialDecay(LOWEST, STEPS - 1, HIGHEST / LOWEST)
        steps = compiled_steps(task, state, settings, strategy, settings.jit_compile is True)
        batches = iter(strategy.distribute_datasets_from_function(lambda context: task.training_batches(0, context)))
        for i in range(STEPS):
            figures, _ = steps(batches, tf.constant(1))
            average = SMOOTHING * average + (1 - SMOOTHING) * float(figures["loss"][0])
            smoothed = average / (1 - SMOOTHING ** (i + 1))
            if not np.isfinite(smoothed) or losses and smoothed > DIVERGED * min(losses):
                break
            rates.append(float(figures["learning_rate"][0]))
            losses.append(smoothed)
            progress.update(1)
    if not losses:
        raise ArgumentError(
            f"--find_learning_rate: the loss is {smoothed} at the first step, with a learning rate of {LOWEST:g}: "
            "check --init_weights, --class_weights and the data set, or train with --precision=float32."
        )
    return RangeTest(rates, losses)
