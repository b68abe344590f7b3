"""The benchmark of published detectors beside torchvision's, on an image of 800x1216."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import keras_resnets
from keras_resnets.detection.registry import find
from keras_resnets.dtype_policies import dtype_policy_scope
from keras_resnets.surgery.fold_batch_norm import fold_batch_norm
from trainers.benchmarks.settings import Settings
from trainers.benchmarks.training import PASSES, PYTORCH
from trainers.benchmarks.training_detection import detector_multiply_adds
from trainers.benchmarks.turns import OURS, compare, lacks, pytorch, tensorflow
from trainers.runtime.choices import EXPORT_PRECISIONS as PRECISIONS

HEIGHT, WIDTH = 800, 1216
REGIONS = {"inference": 1000, "training": 512}
BOXES, CLASSES = [[100.0, 100, 400, 300], [500, 50, 780, 550]], [3, 14]


def detectors(settings: Settings) -> dict:
    """Images/s of inference and of training of the detectors of the registry, with one image at a time.

    Weights are random, so that no score is above the threshold; the regions are as many as with trained ones: 1,000 in
    inference, 512 in training. Batch normalization of the backbone is frozen in version 1. torchvision computes in
    float32 only.
    """
    missing = lacks(settings.peer_python, "torch", "torchvision")
    figures = {} if missing is None else {PYTORCH: missing}
    for row in settings.rows:
        what, name = row.split("_", 1)
        contenders = [
            tensorflow(row, precision, OURS, detector_contender, what, name, precision) for precision in PRECISIONS
        ]
        if missing is None:
            script = "pytorch_detectors", what, name, HEIGHT, WIDTH
            contenders.append(pytorch(row, "float32", PYTORCH, settings.peer_python, *script))
        figures |= compare(contenders, settings.repeats)
    return figures


def detector_contender(what: str, name: str, precision: str) -> tuple[Callable[[], Any], dict[str, float]]:
    """Returns a training step of a detector, or its inference as it is exported, and its facts: see `compare`."""
    with dtype_policy_scope(PRECISIONS[precision]):
        own = {"train_batch_norm": "fpn_batch_norm" in find(name).arguments, "rpn_nms_threshold": 1.0}
        model = keras_resnets.create_detector(name, **own)
    parameters = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    inputs = {
        "images": tf.random.uniform((1, HEIGHT, WIDTH, 3), 0, 255, seed=0),
        "image_shapes": tf.constant([[HEIGHT, WIDTH]]),
    }
    products = detector_multiply_adds(model, HEIGHT, WIDTH, REGIONS[what])
    if what == "training":
        run, products = _trains(model, inputs), PASSES * products
    else:
        run = _detects(model, inputs)
    return run, {"units": 1, "parameters": parameters, "multiply_adds": products}


def _trains(model, inputs):
    model.compile(keras.optimizers.SGD(1e-9, momentum=0.9))
    targets = {"boxes": tf.constant([BOXES]), "classes": tf.constant([CLASSES])}
    step = tf.function(lambda: model.train_step((inputs, targets)))
    return lambda: step()["loss"].numpy()


def _detects(model, inputs):
    for part in ("trunk", "region_network"):
        setattr(model, part, fold_batch_norm(getattr(model, part)))
    detect = tf.function(model)
    return lambda: detect(inputs)["scores"].numpy()
