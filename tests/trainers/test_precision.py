"""Lower precision and XLA: the same training, but for rounding."""

import numpy as np
import pytest
import tensorflow as tf

from trainers.classification import Classification, configure
from trainers.classification import train as train_classification
from trainers.data.dataset import open_dataset
from trainers.run import Run
from trainers.state import State
from trainers.training_step import training_step

SIZES = {"cifar_resnet20": 32, "resnet18": 64, "resnet50": 64}


def first_step(model, precision, jit_compile):
    """Returns the loss of the first step, and the change of all weights, which is the gradient but for a factor."""
    dataset = open_dataset("digits")
    # L2 would hide a wrong gradient of the cross entropy.
    changes = {"weight_decay": 0.0, "batch_size": 32, "steps": 100, "precision": precision}
    config = configure(model, "digits", dataset, "cifar", image_size=SIZES[model], **changes)
    task = Classification(config, dataset)
    state = State(task, task.recipe, config["steps"], precision)
    weights = state.model.trainable_variables
    before = [weight.numpy() for weight in weights]
    batch = next(iter(task.training_batches(0, tf.distribute.InputContext())))
    figures = tf.function(training_step(task, state, task.recipe), jit_compile=jit_compile)(batch)
    change = np.concatenate([(weight - old).numpy().ravel() for weight, old in zip(weights, before, strict=True)])
    return float(figures["loss"]), change.astype("float64")


def cosine(one, other):
    return one @ other / np.sqrt((one @ one) * (other @ other))


@pytest.mark.slow
@pytest.mark.parametrize("model", SIZES)
def test_the_first_step_has_the_loss_and_the_gradient_of_float32(model):
    loss, gradient = first_step(model, "float32", jit_compile=False)
    compiled_loss, compiled_gradient = first_step(model, "float32", jit_compile=True)
    assert compiled_loss == pytest.approx(loss, rel=1e-4) and cosine(compiled_gradient, gradient) > 0.9999
    for jit_compile in (False, True):
        mixed_loss, mixed_gradient = first_step(model, "mixed_bfloat16", jit_compile)
        assert mixed_loss == pytest.approx(loss, rel=1e-2)
        assert cosine(mixed_gradient, gradient) >= 0.99


@pytest.mark.slow
def test_bfloat16_learns_the_digits_as_float32_does(tmp_path):
    dataset, errors = open_dataset("digits"), {}
    for precision in ("float32", "mixed_bfloat16"):
        config = configure("cifar_resnet20", "digits", dataset, "digits", precision=precision)
        results = train_classification(Run(tmp_path / precision), config, dataset)
        errors[precision] = results["top1_error"]
    assert errors["float32"] < 0.02 and abs(errors["mixed_bfloat16"] - errors["float32"]) <= 0.01
