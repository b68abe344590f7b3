"""The weights that a training starts from: of a file, of another run, or published ones."""

import contextlib
import os
import pathlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

from keras_resnets.normalization import Normalization
from keras_resnets.preprocessing import Preprocessing
from keras_resnets.weights.family import CLASSIFIER
from keras_resnets.weights.published import resolve
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


def normalization_of_run(weights: str | None) -> Normalization | None:
    """Returns the normalization of images that a run's net was trained with; None for weights that are of no run."""
    if weights is None or not os.path.isdir(weights):
        return None
    return Preprocessing(**RunFolder(weights).config()["preprocessing"]).normalization


@contextlib.contextmanager
def keeping_other_classifiers(model: keras.Model, weights: str, labels: Sequence[str]) -> Iterator[list[str]]:
    """Gives a net's classifiers their weights back after a `with` statement that loads those of a run of other classes.

    The number of classes may be the same, so that the run's classifier would fit. Files do not name their classes.

    Args:
        model: the net.
        weights: see `weight_file`.
        labels: names of the net's classes.

    Yields:
        The names of the layers that keep their weights.
    """
    is_other = os.path.isdir(weights) and RunFolder(weights).config()["labels"] != list(labels)
    kept = {layer: layer.get_weights() for layer in model.layers if is_other and layer.name.endswith(CLASSIFIER)}
    yield [layer.name for layer in kept]
    for layer, values in kept.items():
        layer.set_weights(values)
