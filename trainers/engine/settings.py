"""The settings of the training loop and their defaults, which flags show. This module does not load TensorFlow."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from trainers.recipes.recipe import Recipe

if TYPE_CHECKING:
    import tensorflow as tf

LOG_EVERY = 20  # steps between two lines of metrics.jsonl, by default


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes:
        recipe: the recipe.
        steps: of the whole run.
        log_every: steps between two lines of metrics.jsonl. Every checkpoint also has one.
        evaluate_every: steps between two evaluations. The last step also has one.
        checkpoint_every: steps between two checkpoints. The last step also has one.
        strategy: a `tf.distribute.Strategy`; None for the default one, on one device.
        precision: "float32", "mixed_bfloat16" or "mixed_float16".
        sync_batch_norm: whether batch normalization uses the statistics of the whole batch, not of a replica's share.
        jit_compile: whether XLA compiles the training step: True, False, or "auto", which measures a few steps of both
            and takes the faster for the whole run. With a strategy other than the default one, True raises
            ArgumentError, and "auto" is False.
        remat: see `trainers.engine.rematerialization`.
        steps_per_call: steps in one call of TensorFlow. Logs and checkpoints are made between calls.
        on_nan: what to do when a loss is not finite: "stop" the run, or "skip_step", which changes nothing.
        patience: evaluations in a row without a new best result, after which the run ends; None for a run that goes on
            to its last step.
        deadline: the time of `time.monotonic()`, in seconds, after which the training stops like one that is
            interrupted; None for no limit.
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
    patience: int | None = None
    deadline: float | None = None
