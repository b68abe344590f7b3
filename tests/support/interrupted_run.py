"""A program for test_resilience.py: trains a net with dropout, saving after every second step.

python interrupted_run.py FOLDER STEPS DISTRIBUTION
"""

import sys

import tensorflow as tf
from configurations import classification_config
from tasks import Dropout

from trainers.data.registry import open_dataset
from trainers.engine import loop
from trainers.engine.run_folder import RunFolder
from trainers.runtime.distribution import make_strategy
from trainers.runtime.interruption import Interrupted

if __name__ == "__main__":
    folder, steps, distribution = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    tf.config.experimental.enable_op_determinism()
    strategy = make_strategy(distribution, replicas=2 if distribution == "mirrored" else None)
    dataset = open_dataset("digits")
    config = classification_config(
        "cifar_resnet8", "digits", dataset, "digits", steps=steps, batch_size=8, seed=5, ema_decay=0.9
    )
    task = Dropout(config, dataset)
    settings = loop.Settings(
        recipe=task.recipe, steps=steps, log_every=3, evaluate_every=10, checkpoint_every=2, strategy=strategy
    )
    run = RunFolder(folder)
    try:
        run.finish(loop.run_loop(task, run, settings))
    except Interrupted as stop:
        print(stop, file=sys.stderr)
        sys.exit(128 + stop.signal)
