"""The weights that a training starts from: of a file, of another run, or published ones."""

import contextlib
import os
import pathlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

from keras_resnets.detection.coco import LABELS
from keras_resnets.detection.registry import COCO, list_detectors, weights_file
from keras_resnets.errors import ArgumentError
from keras_resnets.normalization import Normalization
from keras_resnets.preprocessing import Preprocessing
from keras_resnets.surgery.graph import leaf_layers
from keras_resnets.weights.family import OF_CLASSES, say_nothing
from keras_resnets.weights.loading import read_weights
from keras_resnets.weights.published import resolve
from keras_resnets.weights.tags import is_published
from trainers.engine.checkpoints import restore_model
from trainers.engine.run_folder import RunFolder
from trainers.tasks.classification_net import net_from_config


@contextlib.contextmanager
def weight_file(weights: str, net: str, arguments: Mapping[str, Any]) -> Iterator[str]:
    """Gives the path of a file with the weights of a classification net for a `with` statement.

    Args:
        weights: a file, the folder of a run of classification, or published weights.
        net: the name of the net that they are for.
        arguments: of the net's builder: see `keras_resnets.weights.published.resolve`.

    Raises:
        ArgumentError: if there are no such weights.
    """
    if not os.path.isdir(weights):
        yield resolve(weights, net, arguments)
        return
    run = RunFolder(weights)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.weights.h5"
        model = net_from_config(run.config())
        restore_model(model, run)
        model.save_weights(path)
        yield str(path)


def detector_file(weights: str, detector: str | None) -> str | None:
    """Returns the path of a file with the weights of a whole detector; None for those of a classification net.

    Args:
        weights: a value of --init_weights.
        detector: a name of `keras_resnets.list_detectors()` that they are for, or None.

    Raises:
        ArgumentError: for a detector's weights without its name, and if there are no such weights.
    """
    if is_published(weights) or os.path.isdir(weights):
        return None
    if weights != COCO:
        family = read_weights(weights, say_nothing).family
        if family is None or not family.is_detector:
            return None
    if detector is None:
        raise ArgumentError(
            f"{weights} has weights of a whole detector: pass --detector as well, {' or '.join(list_detectors())}."
        )
    return weights_file(detector) if weights == COCO else weights


def normalization_of_run(weights: str | None) -> Normalization | None:
    """Returns the normalization of images that a run's net was trained with; None for weights that are of no run."""
    if weights is None or not os.path.isdir(weights):
        return None
    return Preprocessing(**RunFolder(weights).config()["preprocessing"]).normalization


@contextlib.contextmanager
def keeping_other_classifiers(model: keras.Model, weights: str, labels: Sequence[str]) -> Iterator[list[str]]:
    """Gives a net's classifiers their weights back after a `with` statement that loads those of other classes.

    The number of classes may be the same, so that the classifier of a run or of COCO would fit. Files do not name their
    classes.

    Args:
        model: a classification net or a detector.
        weights: see `weight_file`, or `COCO`.
        labels: names of the net's classes.

    Yields:
        The names of the layers that keep their weights.
    """
    if weights == COCO:
        known = list(LABELS)
    else:
        known = RunFolder(weights).config()["labels"] if os.path.isdir(weights) else list(labels)
    classifiers = [layer for layer in leaf_layers(model) if layer.weights and layer.name.endswith(OF_CLASSES)]
    kept = {layer: layer.get_weights() for layer in classifiers if known != list(labels)}
    yield [layer.name for layer in kept]
    for layer, values in kept.items():
        layer.set_weights(values)
