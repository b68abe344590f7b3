"""A program for test_resilience.py: trains a net with dropout, saving after every second step.

python interrupted_run.py FOLDER STEPS DISTRIBUTION
"""

import sys

import keras
import tensorflow as tf

from trainers import loop
from trainers.classification import Classification, configure
from trainers.data.dataset import open_dataset
from trainers.distribution import make_strategy
from trainers.interruption import Interrupted
from trainers.run import Run


class Dropout(Classification):
    """The task with a random layer in its net."""

    def build_model(self, classifier_activation=None):
        model = super().build_model(classifier_activation)
        *_, pooled, classifier = model.layers
        features = keras.layers.Dropout(0.5, seed=1)(pooled.output)
        return keras.Model(model.input, classifier(features))


if __name__ == "__main__":
    folder, steps, distribution = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    tf.config.experimental.enable_op_determinism()
    strategy = make_strategy(distribution, replicas=2 if distribution == "mirrored" else None)
    dataset = open_dataset("digits")
    config = configure("cifar_resnet8", "digits", dataset, "digits", steps=steps, batch_size=8, seed=5, ema_decay=0.9)
    task = Dropout(config, dataset)
    settings = loop.Settings(
        recipe=task.recipe, steps=steps, log_every=3, evaluate_every=10, checkpoint_every=2, strategy=strategy
    )
    run = Run(folder)
    try:
        run.finish(loop.train(task, run, settings))
    except Interrupted as stop:
        print(stop, file=sys.stderr)
        sys.exit(128 + stop.signal)
