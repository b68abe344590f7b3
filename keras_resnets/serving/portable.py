"""Nets for other runtimes than TensorFlow's: ONNX (ONNX Runtime, OpenVINO ...) and LiteRT, by Keras's own exporters."""

import keras

from keras_resnets.errors import ArgumentError
from keras_resnets.serving.formats import FILES
from keras_resnets.serving.saved_model import publish
from keras_resnets.surgery.fold_batch_norm import fold


def export_portable(model, preprocessing, labels, base, version=None, *, format="onnx"):
    """Exports a classification net as one file, and its labels beside it, one a line in `labels.txt`.

    The net takes `images`, (B, size, size, 3) float32 RGB, 0..255, already of its size, and returns the probabilities
    (B, classes) float32. It normalizes the images, and batch normalization is folded.

    Args:
        model, preprocessing, labels, base, version: as in `export_classifier`.
        format: "onnx" or "litert".

    Returns:
        The path of the version's folder, which has `model.onnx` or `model.tflite`.

    Raises:
        ArgumentError: (a ValueError) if the version exists, or a package is missing.
    """
    images = keras.Input((preprocessing.size, preprocessing.size, 3), name="images")
    net = keras.Model(images, fold(model)(preprocessing.normalize(images)))
    net(keras.ops.zeros((1, *images.shape[1:])))  # Keras exports what has been called only.

    def write(path):
        try:
            net.export(str(path / FILES[format]), format=format, verbose=False)
        except ImportError as error:
            raise ArgumentError(f"--format={format} needs more packages: pip install '.[{format}]'.") from error
        (path / "labels.txt").write_text("\n".join(labels) + "\n")

    return publish(base, version, write)
