"""Trains a detector for three steps on one device, and on two parts of the CPU; prints the losses of both as JSON.

The last one is that of the validation, of seven images: some batches have padding.

python detection_replicas.py FOLDER
"""

import json
import pathlib
import sys

import tensorflow as tf
from rectangles import make_task, rectangle_dataset

from trainers.engine import loop
from trainers.engine.run_folder import RunFolder
from trainers.runtime.distribution import make_strategy
from trainers.tasks.detection import Detection


def losses(folder, strategy, dataset):
    """Trains for three steps; returns the losses, and that of the validation, a list of floats."""
    task = make_task(dataset, steps=3, batch_size=4, learning_rate=1e-4, validation_losses=True)
    # Without a warm-up, the first step moves the weights.
    task = Detection({**task.config, "recipe": {**task.config["recipe"], "warmup_steps": 0}}, dataset)
    run = RunFolder(folder)
    settings = loop.Settings(task.recipe, steps=3, log_every=1, evaluate_every=3, checkpoint_every=3, strategy=strategy)
    results = loop.run_loop(task, run, settings)
    return [*(line["loss"] for line in run.metrics() if "loss" in line), results["validation_loss"]]


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    mirrored = make_strategy("mirrored", replicas=2)
    dataset = rectangle_dataset(7, seed=1)
    alone = tf.distribute.OneDeviceStrategy("CPU:0")
    both = [losses(folder / name, strategy, dataset) for name, strategy in [("one", alone), ("two", mirrored)]]
    print(json.dumps(both))
