"""Inference with a SavedModel in a TensorFlow session, from its graph alone, as in TensorFlow Serving."""

import os
from typing import Any

import numpy as np
import tensorflow as tf

from keras_resnets.errors import ArgumentError
from keras_resnets.serving.saved_model import without_warnings
from keras_resnets.serving.versions import resolve


class SavedModelSession:
    """A SavedModel in its own session.

    Args:
        path: the folder of a version, or the folder of all versions, for the highest one.

    Attributes:
        path: the folder of the version.
        signatures: TensorFlow's SignatureDefs by name.

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

    def __call__(self, signature: str, **inputs: Any) -> dict[str, np.ndarray]:
        """Returns a signature's outputs as a dict of arrays.

        Args:
            signature: a name, such as "serving_default".
            **inputs: an array for each input of the signature.

        Raises:
            ArgumentError: if there is no such signature, or it has other inputs.
            tf.errors.InvalidArgumentError: if the graph rejects an input.
        """
        if signature not in self.signatures:
            raise ArgumentError(f"{self.path} has no signature {signature!r}: it has {', '.join(self.signatures)}.")
        definition = self.signatures[signature]
        if inputs.keys() != definition.inputs.keys():
            raise ArgumentError(f"{signature!r} takes {', '.join(definition.inputs)}, not {', '.join(inputs)}.")
        feeds = {definition.inputs[key].name: value for key, value in inputs.items()}
        return self._session.run({key: output.name for key, output in definition.outputs.items()}, feeds)
