"""Requests and responses of TensorFlow Serving's PredictionService, as its protocol buffers."""

import importlib
import pathlib
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

import numpy as np
import tensorflow as tf

from keras_resnets.errors import ArgumentError
from keras_resnets.serving.saved_model import Signature

CLASSES = 5  # of a warmup request to a localizer: the number of guesses in ImageNet's challenge
WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"


def serving_api(name: str) -> ModuleType:
    """Returns a module of `tensorflow_serving.apis`.

    Raises:
        ArgumentError: (a ValueError) if the package is not installed.
    """
    try:
        return importlib.import_module(f"tensorflow_serving.apis.{name}")
    except ImportError as error:
        raise ArgumentError(
            "TensorFlow Serving's protocol needs more packages: pip install 'keras_resnets[serving]'."
        ) from error


def predict_request(model: str, signature: str, inputs: Mapping[str, Any], version: int | None = None) -> Any:
    """Returns a PredictRequest.

    Args:
        model: the server's name for the export.
        signature: a name, such as "image_bytes".
        inputs: dict of arrays.
        version: a version of the export; None for the server's default, the highest.
    """
    request = serving_api("predict_pb2").PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    if version is not None:
        request.model_spec.version.value = version
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


def arrays(tensors: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Returns the TensorProtos of a request or a response as arrays."""
    return {name: tf.make_ndarray(tensor) for name, tensor in tensors.items()}


def warmup_requests(model: str, signatures: Mapping[str, Signature], image_size: tuple[int, int]) -> list[Any]:
    """Returns a PredictRequest for each signature.

    The images are noise, each proposal is the whole image, and the classes are the first ones.

    Args:
        model: the server's name for the export.
        signatures: dict of signatures whose inputs are `images` or `image_bytes`, and optionally `proposals` or
            `classes`.
        image_size: (height, width) of the images, in pixels.
    """
    image = np.random.default_rng(0).integers(0, 256, (*image_size, 3), dtype=np.uint8)
    encoded = np.array(tf.io.encode_jpeg(image).numpy(), object)
    whole = np.array([0, 0, image_size[1], image_size[0]], np.float32)
    values = {"images": image, "image_bytes": encoded, "classes": np.arange(CLASSES, dtype=np.int32)}
    requests = []
    for name, signature in signatures.items():
        inputs = {}
        for spec in signature.inputs:
            value = np.tile(whole, (spec.shape[1], 1)) if spec.name == "proposals" else values[spec.name]
            inputs[spec.name] = np.stack([value] * (spec.shape[0] or 1))
        requests.append(predict_request(model, name, inputs))
    return requests


def write_warmup(path: pathlib.Path, requests: Iterable[Any]) -> None:
    """Writes PredictRequests into the file of a version's folder that TensorFlow Serving reads."""
    file = path / WARMUP_FILE
    file.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(file)) as writer:
        for request in requests:
            log = serving_api("prediction_log_pb2").PredictionLog()
            log.predict_log.request.CopyFrom(request)
            writer.write(log.SerializeToString())


def read_warmup(path: pathlib.Path) -> list[Any]:
    """Returns the PredictRequests that `write_warmup` wrote into a version's folder; none if there is no file."""
    file = path / WARMUP_FILE
    records = tf.data.TFRecordDataset(str(file)).as_numpy_iterator() if file.is_file() else ()
    parse = serving_api("prediction_log_pb2").PredictionLog.FromString
    return [parse(record).predict_log.request for record in records]
