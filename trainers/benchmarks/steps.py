"""Training steps that benchmarks measure."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainers.data.classification_dataset import ImageDataset, grayscale_dataset
from trainers.engine.compiled_steps import by_xla
from trainers.engine.state import State
from trainers.engine.task import Task
from trainers.engine.training_step import training_step
from trainers.tasks.classification import Classification, configure
from trainers.tasks.configuration import Choices

MOMENTUM, WEIGHT_DECAY = 0.9, 1e-4  # those of the recipe "cifar"


def noise(images: int, side: int, classes: int) -> ImageDataset:
    """Returns a data set of random images, (side, side, 3), as many in each split."""
    random = np.random.default_rng(0)
    split = random.integers(0, 256, (images, side, side), np.uint8), random.integers(0, classes, images)
    return grayscale_dataset(*split, *split, labels=map(str, range(classes)))


def loop_step(
    model: str,
    batch_size: int,
    dataset: ImageDataset,
    *,
    remat: bool = False,
    jit_compile: bool = False,
    precision: str = "float32",
    image_size: int | None = None,
) -> tuple[Classification, State, Callable[[], Any]]:
    """Returns the task of training a net, its state, and the training loop's step on a batch.

    Args:
        model: a name of the registry.
        batch_size: images of a step.
        dataset: where the batch is from.
        remat, jit_compile: see `step_of`.
        precision: a dtype policy.
        image_size: side of the net's input in pixels; None for the data set's.
    """
    changes = {"steps": 100, "batch_size": batch_size}
    choices = Choices("noise", dataset, "cifar", changes, precision=precision)
    task = Classification(configure(choices, model, image_size=image_size), dataset)
    return task, *step_of(task, remat, jit_compile)


def step_of(task: Task, remat: bool = False, jit_compile: bool = False) -> tuple[State, Callable[[], Any]]:
    """Returns the state of a task, and the training loop's step on a batch, which is drawn once.

    Args:
        task: the task.
        remat: whether the backward pass computes activations again.
        jit_compile: whether XLA compiles the step.
    """
    state = State(task, task.recipe, task.config["steps"], task.config["precision"])
    step = training_step(task, state, task.recipe, remat=remat)
    step = by_xla(step) if jit_compile else tf.function(step)
    return state, functools.partial(step, next(iter(task.training_batches(0, tf.distribute.InputContext()))))


def plain_step(model: keras.Model, weight_decay: float | None = None) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Returns the compiled function of images and labels that trains a model of logits as Keras's examples do.

    Args:
        model: the model.
        weight_decay: of all weights; None for none.
    """
    optimizer = keras.optimizers.SGD(0.1, momentum=MOMENTUM, weight_decay=weight_decay)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(images, labels):
        with tf.GradientTape() as tape:
            logits = tf.cast(model(tf.cast(images, tf.float32), training=True), tf.float32)
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    return step
