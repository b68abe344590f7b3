"""Benchmarks of training classification nets, beside PyTorch, keras.applications and a plain Keras step.

All make the same step: forward pass, mean cross entropy, gradients, and SGD with momentum 0.9 and a weight decay of
1e-4 of all weights, on one batch that stays the same. No input pipeline runs.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

import keras_resnets
from keras_resnets.dtype_policies import dtype_policy_scope
from trainers.benchmarks.settings import Settings
from trainers.benchmarks.steps import WEIGHT_DECAY, loop_step, noise, plain_step
from trainers.benchmarks.turns import OURS, compare, lacks, pytorch, tensorflow
from trainers.runtime.choices import EXPORT_PRECISIONS as PRECISIONS
from trainers.runtime.measuring import parameters

PYTORCH, APPLICATIONS, PLAIN = "PyTorch", "keras.applications", "plain Keras step"
# torchvision's ResNet-50 is version 1.5, that of keras.applications version 1.
NETS = {"resnet50_v1_5": (PYTORCH,), "resnet50": (APPLICATIONS,)}
# For each convolution: its output, the gradient of its input and that of its kernel. The first one's input has none,
# which is 1 % in ResNet-50 and less than 1 % in CIFAR nets.
PASSES = 3


def training(settings: Settings) -> dict:
    """Images/s of training ResNet-50 at batch 16: version 1.5 beside PyTorch, version 1 beside keras.applications."""
    figures = {}
    for net in settings.rows:
        figures |= _compared(net, (16, 224, 1000), NETS[net], settings.peer_python, settings.repeats)
    return figures


def training_cifar(settings: Settings) -> dict:
    """Images/s of training CIFAR nets with 20, 110 and 164 layers at batch 128, beside PyTorch.

    "plain Keras step" trains the same net as Keras's examples do.
    """
    figures = {}
    for net in settings.rows:
        figures |= _compared(net, (128, 32, 10), (PYTORCH, PLAIN), settings.peer_python, 4 * settings.repeats)
    return figures


def _compared(net, size, peers, peer_python, repeats):
    missing = lacks(peer_python, "torch", "torchvision") if PYTORCH in peers else None
    contenders = []
    for precision in PRECISIONS:
        contenders.append(tensorflow(net, precision, OURS, loop_contender, net, *size, precision))
        for peer in peers:
            if peer != PYTORCH:
                model = None if peer == APPLICATIONS else net
                contenders.append(tensorflow(net, precision, peer, keras_contender, model, *size, precision))
            elif missing is None:
                script = "pytorch_classification", net, *size, precision
                contenders.append(pytorch(net, precision, peer, peer_python, *script))
    left_out = {} if missing is None else {f"{net} {PYTORCH}": missing}
    return {**left_out, **compare(contenders, repeats)}


def loop_contender(
    net: str, batch_size: int, side: int, classes: int, precision: str
) -> tuple[Callable[[], Any], dict[str, float]]:
    """Returns the training loop's step of a net, and its facts: see `trainers.benchmarks.turns`."""
    dataset = noise(batch_size, side, classes)
    _, state, step = loop_step(net, batch_size, dataset, precision=PRECISIONS[precision])
    return lambda: step()["loss"].numpy(), {
        "units": batch_size,
        "parameters": parameters(state.model),
        "multiply_adds": PASSES * batch_size * keras_resnets.multiply_adds(state.model),
    }


def keras_contender(
    net: str | None, batch_size: int, side: int, classes: int, precision: str
) -> tuple[Callable[[], Any], dict[str, float]]:
    """Returns Keras's step of a net, and its facts: see `trainers.benchmarks.turns`.

    Args:
        net: a name of the registry; None for keras.applications' ResNet-50.
        batch_size, side, classes: of the images, in pixels, and of their labels.
        precision: "float32" or "bfloat16".
    """
    with dtype_policy_scope(PRECISIONS[precision]):
        if net is None:
            model = keras.applications.ResNet50(
                weights=None, input_shape=(side, side, 3), classes=classes, classifier_activation=None
            )
        else:
            model = keras_resnets.create_model(
                net, input_shape=(side, side, 3), classes=classes, classifier_activation=None
            )
    step = plain_step(model, WEIGHT_DECAY)
    images = tf.random.normal((batch_size, side, side, 3))
    labels = tf.random.uniform((batch_size,), 0, classes, tf.int32)
    # Convolutions of keras.applications have biases, which batch normalization makes redundant.
    biases = [layer.bias for layer in model.layers if isinstance(layer, keras.layers.Conv2D) and layer.use_bias]
    own = parameters(model) - sum(bias.shape[0] for bias in biases)
    return lambda: step(images, labels).numpy(), {"units": batch_size, "parameters": own}
