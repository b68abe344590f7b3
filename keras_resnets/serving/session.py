"""Inference with a SavedModel in a TensorFlow session, from its graph alone, as in TensorFlow Serving."""

import os
from typing import Any

import numpy as np
import tensorflow as tf

from keras_resnets.errors import ArgumentError
from keras_resnets.serving.description import read_description
from keras_resnets.serving.saved_model import without_warnings
from keras_resnets.serving.versions import resolve


class SavedModelSession:
    """A SavedModel in its own session.

    Args:
        path: the folder of a version, or the folder of all versions, for the highest one.

    Attributes:
        path: the folder of the version.
        signatures: TensorFlow's SignatureDefs by name.
        description: dict of what the export records besides: of a detector, its `max_detections`, `score_threshold` and
            `nms_threshold`. Exports of older releases have none.

    Raises:
        ArgumentError: (a ValueError) if there is no SavedModel, or it is damaged.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = resolve(path)
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        with self._session.graph.as_default(), without_warnings():
            try:
                meta_graph = tf.compat.v1.saved_model.load(self._session, ["serve"], str(self.path))
            except (OSError, RuntimeError, ValueError, tf.errors.OpError) as error:
                reason = str(error).strip().split("\n")[0]
                raise ArgumentError(f"{self.path} is not a complete SavedModel ({reason}): export it again.") from error
        self.signatures = meta_graph.signature_def
        self.description = read_description(self.path)

    def __call__(self, signature: str, **inputs: Any) -> dict[str, np.ndarray]:
        """Returns a signature's outputs as a dict of arrays.

        Args:
            signature: a name, such as "serving_default".
            **inputs: an array for each input of the signature.

        Raises:
            ArgumentError: if there is no such signature, it has other inputs, or an input has numbers that its type
                cannot hold, such as float pixels, or a pixel of 300.
            tf.errors.InvalidArgumentError: if the graph rejects an input.
        """
        if signature not in self.signatures:
            raise ArgumentError(f"{self.path} has no signature {signature!r}: it has {', '.join(self.signatures)}.")
        definition = self.signatures[signature]
        if inputs.keys() != definition.inputs.keys():
            raise ArgumentError(f"{signature!r} takes {', '.join(definition.inputs)}, not {', '.join(inputs)}.")
        feeds = {
            definition.inputs[key].name: _checked(key, value, tf.as_dtype(definition.inputs[key].dtype))
            for key, value in inputs.items()
        }
        return self._session.run({key: output.name for key, output in definition.outputs.items()}, feeds)


def _checked(name, value, dtype):
    """Returns an input, unless TensorFlow would round its numbers or let them wrap around."""
    if not dtype.is_integer:
        return value
    value = np.asarray(value)
    if value.size and value.dtype.kind not in "iu":
        raise ArgumentError(f"{name} has type {value.dtype}: it takes {dtype.name}, {dtype.min} to {dtype.max}.")
    if value.size and not dtype.min <= value.min() <= value.max() <= dtype.max:
        wrong = value.min() if value.min() < dtype.min else value.max()
        raise ArgumentError(f"{name} has the value {wrong}: it takes {dtype.name}, {dtype.min} to {dtype.max}.")
    return value.astype(dtype.as_numpy_dtype)
