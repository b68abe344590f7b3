"""Export of nets for other runtimes by Keras: ONNX (ONNX Runtime, OpenVINO ...) and LiteRT."""

import os
import pathlib
from collections.abc import Sequence
from typing import Literal

import keras

from keras_resnets.errors import ArgumentError, check_choice
from keras_resnets.preprocessing import Preprocessing
from keras_resnets.serving.export import check_classifier
from keras_resnets.serving.formats import FILES
from keras_resnets.serving.saved_model import publish
from keras_resnets.surgery.fold_batch_norm import fold_batch_norm


def export_portable(
    model: keras.Model,
    preprocessing: Preprocessing,
    labels: Sequence[str],
    base: str | os.PathLike,
    version: int | None = None,
    *,
    format: Literal["onnx", "litert"] = "onnx",
) -> pathlib.Path:
    """Exports a classification net as one file, and its labels in `labels.txt`, one per line.

    The net takes `images`, (B, size, size, 3) float32 RGB, 0 to 255, of the net's size, and returns the probabilities
    (B, classes) float32. It normalizes the images, and batch normalization is folded.

    Args:
        model, preprocessing, labels, base, version: as for `export_classifier`.
        format: "onnx" or "litert".

    Returns:
        The path of the version's folder, which contains `model.onnx` or `model.tflite`.

    Raises:
        ArgumentError: (a ValueError) if the version exists, labels do not fit the net, the net is not functional, the
            format is unknown, or a package is missing.
    """
    check_choice("format", format, [*FILES])
    check_classifier(model, labels)
    images = keras.Input((preprocessing.size, preprocessing.size, 3), name="images")
    net = keras.Model(images, fold_batch_norm(model)(preprocessing.normalize(images)))
    net(keras.ops.zeros((1, *images.shape[1:])))  # Keras exports only models that were called.

    def write(path):
        try:
            net.export(str(path / FILES[format]), format=format, verbose=False)
        except ImportError as error:
            raise ArgumentError(
                f"format={format!r} needs more packages: pip install 'keras_resnets[{format}]'."
            ) from error
        (path / "labels.txt").write_text("\n".join(labels) + "\n")

    return publish(base, version, write)
