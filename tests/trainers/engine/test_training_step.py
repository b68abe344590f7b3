"""The training step beside the plain one that it must equal."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from configurations import classification_config

from trainers.data.registry import open_dataset
from trainers.engine.optimizers import learning_rate_schedule
from trainers.engine.state import State
from trainers.engine.training_step import training_step
from trainers.tasks.classification import Classification

pytestmark = pytest.mark.numerics


@pytest.mark.parametrize("recipe", ["cifar", "digits"])
def test_a_step_is_that_of_a_loss_with_its_l2_term_and_of_keras_sgd(recipe):
    dataset = open_dataset("digits")
    config = classification_config("cifar_resnet8", "digits", dataset, recipe, steps=10, batch_size=8)
    task = Classification(config, dataset)
    state = State(task, task.recipe, 10, "float32")
    twin = task.build_model()
    twin.set_weights(state.model.get_weights())
    batch = next(iter(task.training_batches(0, tf.distribute.InputContext())))

    figures = tf.function(training_step(task, state, task.recipe))(batch)

    kernels_only = task.recipe.decay == "kernels"
    decayed = [w.value for w in twin.trainable_weights if not kernels_only or w.path.endswith("/kernel")]
    with tf.GradientTape() as tape:
        losses, _ = task.losses(twin, batch, training=True)
        l2 = tf.add_n([tf.reduce_sum(tf.square(weight)) for weight in decayed])
        loss = sum(losses.values()) + task.recipe.weight_decay / 2 * l2
    optimizer = keras.optimizers.SGD(learning_rate_schedule(task.recipe, 10), momentum=task.recipe.momentum)
    weights = [weight.value for weight in twin.trainable_weights]
    optimizer.apply(tape.gradient(loss, weights), twin.trainable_weights)

    np.testing.assert_allclose(figures["loss"], loss, rtol=1e-5)
    for ours, plain in zip(state.model.weights, twin.weights, strict=True):
        np.testing.assert_allclose(ours, plain, rtol=0, atol=1e-4 * max(1e-2, np.abs(plain.numpy()).max()))
