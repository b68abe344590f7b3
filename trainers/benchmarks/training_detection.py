"""The benchmark of Faster R-CNN with ResNet-50 beside torchvision's, on an image of 608x800."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import keras_resnets
from keras_resnets.detection.resizing import Resizing
from keras_resnets.dtype_policies import dtype_policy_scope
from trainers.benchmarks.settings import Settings
from trainers.benchmarks.steps import step_of
from trainers.benchmarks.training import PASSES, PYTORCH
from trainers.benchmarks.turns import OURS, compare, lacks, pytorch, tensorflow
from trainers.data.detection_dataset import Annotation, DetectionDataset, annotated_split
from trainers.data.image_source import Pixels
from trainers.runtime.choices import EXPORT_PRECISIONS as PRECISIONS
from trainers.tasks.detection import Detection, configure
from trainers.tasks.detection_config import BoxChoices

HEIGHT, WIDTH, CLASSES = 608, 800, 20
BOXES, OBJECTS = [[100, 100, 400, 300], [500, 50, 780, 550]], [3, 14]
# The peer's: version 1.5, and an RPN as wide as the features. With random weights, proposals overlap: the peer keeps
# all, so that it has as many regions as here, where missing ones are computed as well.
BACKBONE, OPTIONS = "resnet50_v1_5", {"rpn_filters": 1024}
REGIONS = {"inference": 300, "training": 128}


def training_detection(settings: Settings) -> dict:
    """Images/s of inference (300 regions) and training (128) of Faster R-CNN, with both kinds of RoI pooling.

    `inference_max` is inference with RoI max pooling, `training_align` training with RoI align. Batch normalization is
    frozen. torchvision computes in float32 only.
    """
    missing = lacks(settings.peer_python, "torch", "torchvision")
    figures = {} if missing is None else {PYTORCH: missing}
    for row in settings.rows:
        what, pooling = row.split("_")
        contenders = [
            tensorflow(row, precision, OURS, detection_contender, what, pooling, precision) for precision in PRECISIONS
        ]
        if missing is None:
            script = "pytorch_detection", what, pooling, HEIGHT, WIDTH, CLASSES, REGIONS[what]
            contenders.append(pytorch(row, "float32", PYTORCH, settings.peer_python, *script))
        figures |= compare(contenders, settings.repeats)
    return figures


def detection_contender(what: str, pooling: str, precision: str) -> tuple[Callable[[], Any], dict[str, float]]:
    """Returns the training loop's step of a detector, or its inference, and its facts: see `compare`."""
    if what == "training":
        state, step = step_of(_task(pooling, PRECISIONS[precision]))
        model, passes = state.model, PASSES

        def run():
            return step()["loss"].numpy()

    else:
        with dtype_policy_scope(PRECISIONS[precision]):
            model = keras_resnets.FasterRCNN(CLASSES, BACKBONE, roi_pooling=pooling, **OPTIONS)
        inputs = {
            "images": tf.random.uniform((1, HEIGHT, WIDTH, 3), 0, 255),
            "image_shapes": tf.constant([[HEIGHT, WIDTH]]),
        }
        detect, passes = tf.function(model), 1

        def run():
            return detect(inputs)["scores"].numpy()

    parameters = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    products = detector_multiply_adds(model, HEIGHT, WIDTH, REGIONS[what])
    return run, {"units": 1, "parameters": parameters, "multiply_adds": passes * products}


def _task(pooling, policy):
    """Returns the task of training on one image of noise, with a learning rate that leaves the weights as they are."""
    image = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    split = annotated_split([Annotation.of(BOXES, OBJECTS)], lambda index: Pixels(tf.constant(image)))
    dataset = DetectionDataset(tuple(map(str, range(CLASSES))), None, len(OBJECTS), split, split)
    choices = BoxChoices(
        "noise",
        dataset,
        "faster_rcnn",
        {"steps": 100, "batch_size": 1, "learning_rate": 1e-9},
        precision=policy,
        backbone=BACKBONE,
        options={**OPTIONS, "train_batch_norm": False},
        resizing=Resizing(HEIGHT, WIDTH, (HEIGHT, WIDTH)),
    )
    return Detection(configure(choices, roi_pooling=pooling), dataset)


def detector_multiply_adds(model: keras_resnets.FasterRCNN, height: int, width: int, regions: int) -> int:
    """Returns the multiply-adds of a detector's forward pass on an image with this number of regions."""

    def of(part, shape):
        inputs = keras.Input(shape[1:])
        return keras_resnets.multiply_adds(keras.Model(inputs, part(inputs)))

    image = (1, height, width, 3)
    maps = model.trunk.compute_output_shape(image)
    rpn = sum(of(model.rpn, shape) for shape in (maps if isinstance(maps, list) else [maps]))
    pooled = model.roi_pooling.compute_output_shape(model.trunk.output_shape, (1, 1, 4))[1:]
    features = model.region_network.compute_output_shape(pooled)
    return of(model.trunk, image) + rpn + regions * (of(model.region_network, pooled) + of(model.head, features))
