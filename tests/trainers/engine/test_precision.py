"""Lower precision and XLA: the same training, but for rounding."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from configurations import classification_config
from photos import photos

import keras_resnets
from trainers.data.registry import open_dataset
from trainers.engine import train
from trainers.engine.run_folder import RunFolder
from trainers.engine.state import State
from trainers.engine.training_step import training_step
from trainers.tasks.classification import Classification

pytestmark = pytest.mark.numerics


# Side and number of images.
BATCHES = {"cifar_resnet20": (32, 64), "resnet18": (64, 32), "resnet50": (128, 32)}


class StartingAsShortcuts(Classification):
    """The task with a net whose units start as their shortcuts.

    The gradient of deep nets at He's initialisation depends on the last bits: ResNet-50's with float32 and XLA has a
    cosine of only 0.9995, with bfloat16 of 0.3, to float32's without XLA.
    """

    def build_model(self, classifier_activation=None):
        size, _ = BATCHES[self.config["model"]]
        keras.utils.set_random_seed(0)
        return keras_resnets.create_model(
            self.config["model"],
            input_shape=(size, size, 3),
            classes=10,
            classifier_activation=classifier_activation,
            zero_gamma=True,
        )


def batch_of_photos(size, count):
    images = [tf.image.resize(image, [size, size], antialias=True) for image, _ in photos(count, seed=0)]
    return {"image": tf.cast(tf.round(tf.stack(images)), tf.uint8), "label": tf.range(count) % 10}


def first_step(model, precision, jit_compile):
    """Returns the loss of the first step, and the change of all weights, which is the gradient but for a factor."""
    size, count = BATCHES[model]
    dataset = open_dataset("digits")
    # L2 would hide a wrong gradient of the cross entropy.
    changes = {"weight_decay": 0.0, "batch_size": count, "steps": 100, "precision": precision}
    config = classification_config(model, "digits", dataset, "cifar", image_size=size, **changes)
    task = StartingAsShortcuts(config, dataset)
    state = State(task, task.recipe, config["steps"], precision)
    weights = state.model.trainable_variables
    before = [weight.numpy() for weight in weights]
    step = tf.function(training_step(task, state, task.recipe), jit_compile=jit_compile)
    figures = step(batch_of_photos(size, count))
    change = np.concatenate([(weight - old).numpy().ravel() for weight, old in zip(weights, before, strict=True)])
    return float(figures["loss"]), change.astype("float64")


def cosine(one, other):
    return one @ other / np.sqrt((one @ one) * (other @ other))


@pytest.mark.slow
@pytest.mark.parametrize("model", BATCHES)
def test_the_first_step_has_the_loss_and_the_gradient_of_float32(model):
    loss, gradient = first_step(model, "float32", jit_compile=False)
    compiled_loss, compiled_gradient = first_step(model, "float32", jit_compile=True)
    assert compiled_loss == pytest.approx(loss, rel=1e-4) and cosine(compiled_gradient, gradient) > 0.9999
    mixed_loss, mixed_gradient = first_step(model, "mixed_bfloat16", jit_compile=True)
    assert mixed_loss == pytest.approx(loss, rel=1e-2) and cosine(mixed_gradient, gradient) >= 0.99
    # On CPUs without such instructions, TensorFlow's own kernels add up in bfloat16.
    mixed_loss, mixed_gradient = first_step(model, "mixed_bfloat16", jit_compile=False)
    assert mixed_loss == pytest.approx(loss, rel=1e-2) and cosine(mixed_gradient, gradient) >= 0.96


@pytest.mark.slow
def test_bfloat16_learns_the_digits_as_float32_does(tmp_path):
    dataset, errors = open_dataset("digits"), {}
    for precision in ("float32", "mixed_bfloat16"):
        config = classification_config("cifar_resnet20", "digits", dataset, "digits", precision=precision)
        results = train.train(Classification(config, dataset), RunFolder(tmp_path / precision))
        errors[precision] = results["top1_error"]
    assert errors["float32"] < 0.02 and abs(errors["mixed_bfloat16"] - errors["float32"]) <= 0.01
