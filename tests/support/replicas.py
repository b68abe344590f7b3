"""A program for test_distribution.py: trains variants of a small run on several replicas.

python replicas.py FOLDER DISTRIBUTION VARIANT ...
"""

import json
import pathlib
import sys

import tensorflow as tf
from configurations import classification_config

from trainers.data.registry import open_dataset
from trainers.engine import loop
from trainers.engine.predictor import predictor
from trainers.engine.run_folder import RunFolder
from trainers.runtime.distribution import is_chief, make_strategy
from trainers.tasks.classification import Classification

BATCH = 16
# Changes of the recipe and of the settings; the weight decay is large, so that L2 counts.
VARIANTS = {
    "fast": {"learning_rate": 0.1},
    "clipping": {"clip_norm": 0.5, "learning_rate": 1e-2},
    "parts_average_and_l2": {
        "accumulation": 2,
        "ema_decay": 0.9,
        "weight_decay": 1e-2,
        "decay": "all",
        "optimizer": "rmsprop",  # Its state does not start at 0.
    },
    "rematerialized": {"remat": True},
    "separate": {"sync_batch_norm": False},
    "infinity": {"precision": "mixed_float16", "on_nan": "skip_step", "steps": 4},
}
SETTINGS = ("sync_batch_norm", "on_nan", "remat")


class Poisoned(Classification):
    """The task with an infinite loss in the second step, on one replica only."""

    def training_batches(self, first_step, context):
        replicas_here = context.num_replicas_in_sync // context.num_input_pipelines

        def mark(i, batch):
            first_replica = i % replicas_here == 0 and context.input_pipeline_id == 0
            poison = tf.logical_and(tf.equal(i // replicas_here + first_step, 1), first_replica)
            return {**batch, "poison": tf.fill([batch["label"].shape[0]], poison)}

        return super().training_batches(first_step, context).enumerate().map(mark)

    def losses(self, model, batch, training):
        losses, figures = super().losses(model, batch, training)
        factor = tf.where(tf.reduce_any(batch["poison"]), float("inf"), 1.0)
        return {"cross_entropy": losses["cross_entropy"] * factor}, figures


def train(folder, strategy, dataset, name):
    """Trains a variant, a key of `VARIANTS`, in a run folder of that name."""
    changes = {"learning_rate": 1e-4, "steps": 10, **VARIANTS[name]}
    settings = {key: changes.pop(key) for key in SETTINGS if key in changes}
    config = classification_config("cifar_resnet8", "digits", dataset, "digits", batch_size=BATCH, seed=5, **changes)
    # A schedule without warm-up: the first steps move the weights.
    config["recipe"] |= {"warmup_steps": 0, "schedule": "steps", "drops": [1.0]}
    task = (Poisoned if name == "infinity" else Classification)(config, dataset)
    run = RunFolder(pathlib.Path(folder) / name, is_chief(strategy))
    loop.run_loop(
        task,
        run,
        loop.Settings(
            recipe=task.recipe,
            steps=config["steps"],
            log_every=1,
            evaluate_every=config["steps"],
            checkpoint_every=config["steps"],
            strategy=strategy,
            precision=config["precision"],
            **settings,
        ),
    )
    if name == "fast":
        write_predictions(task, run, strategy)


def write_predictions(task, run, strategy):
    """Writes the predictions of an untrained net for all test images."""
    with strategy.scope():
        model = task.build_model()
    predictions = predictor(task, model, strategy)()
    if run.chief:
        (run.path / "predictions.json").write_text(json.dumps({k: v.tolist() for k, v in predictions.items()}))


if __name__ == "__main__":
    folder, distribution, *names = sys.argv[1:]
    strategy = make_strategy(distribution, replicas=2 if distribution == "mirrored" else None, peer_timeout=60)
    dataset = open_dataset("digits")
    for name in names:
        train(folder, strategy, dataset, name)
