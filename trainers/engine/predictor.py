"""The predictions of a net for a whole test split."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from trainers.engine.task import Task


def predictor(
    task: "Task", model: keras.Model, strategy: tf.distribute.Strategy
) -> Callable[[], dict[str, np.ndarray]]:
    """Returns a function without arguments that predicts every example of the test split once.

    Args:
        task: the task.
        model: the net, made in the strategy's scope.
        strategy: the strategy.

    Returns:
        A function that returns the task's predictions, a dict of (N, ...), in the order of the examples' index.
    """

    def on_replica(batch):
        return {**task.predictions(model, batch), "index": batch["index"], "weight": batch["weight"]}

    @tf.function
    def gathered(batch):
        predictions = strategy.run(on_replica, args=(batch,))
        return {name: strategy.gather(values, axis=0) for name, values in predictions.items()}

    def predict():
        batches = strategy.distribute_datasets_from_function(task.evaluation_batches)
        rows = [task.condensed({name: values.numpy() for name, values in gathered(batch).items()}) for batch in batches]
        table = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
        examples = np.flatnonzero(table.pop("weight"))
        examples = examples[np.argsort(table.pop("index")[examples])]
        return {name: values[examples] for name, values in table.items()}

    return predict
