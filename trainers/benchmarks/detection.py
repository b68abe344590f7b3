"""Benchmarks of a detector with ResNet-101."""

import functools

import keras
import tensorflow as tf

from keras_resnets import FasterRCNN
from keras_resnets.dtype_policies import dtype_policy_scope
from trainers.benchmarks.peers.step_server import peak_gib
from trainers.benchmarks.settings import Settings
from trainers.runtime.measuring import by_computation, in_new_process, in_turns, parameters


def faster_rcnn_resnet101(settings: Settings) -> dict:
    """Seconds and peak GiB of Faster R-CNN with ResNet-101 on an image of 600x1000, and its parameters."""
    return {what: in_new_process(_faster_rcnn, what, settings.repeats) for what in ("inference", "training")}


def _faster_rcnn(what, repeats):
    detector, inputs = FasterRCNN(20, backbone="resnet101"), _image()
    targets = {"boxes": tf.constant([[[100.0, 100, 400, 300], [500, 50, 900, 550]]]), "classes": tf.constant([[3, 14]])}
    detector.compile(keras.optimizers.SGD(1e-3, momentum=0.9))
    if what == "training":
        step = functools.partial(tf.function(detector.train_step), (inputs, targets))
    else:
        step = functools.partial(tf.function(detector), inputs)
    step()  # traces the function
    seconds = in_turns({"step": step}, repeats)["step"]
    return {"seconds": seconds, "peak_gib": peak_gib(), "parameters": parameters(detector)}


def inference_rates(backbone: str, repeats: int) -> dict[str, float]:
    """Returns images/s of Faster R-CNN's inference on an image of 600x1000: see `by_computation`.

    Args:
        backbone: name in the registry.
        repeats: number of calls that are timed for each computation.
    """

    def make(precision, jit_compile):
        keras.utils.set_random_seed(0)  # The number of proposals depends on the weights.
        with dtype_policy_scope(precision):
            detector = FasterRCNN(20, backbone=backbone)
        return functools.partial(tf.function(detector, jit_compile=jit_compile), _image())

    return by_computation(make, 1, repeats)


def _image():
    """Returns the inputs of a detector for a random image."""
    return {"images": tf.random.uniform((1, 600, 1000, 3), 0, 255), "image_shapes": tf.constant([[600, 1000]])}
