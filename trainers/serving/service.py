"""A service for one export, which answers as TensorFlow Serving does, in its texts."""

from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from keras_resnets.errors import ArgumentError, first_line
from keras_resnets.serving import SavedModelSession
from trainers.serving.json_texts import type_name
from trainers.serving.refusal import HTTP_STATUS, Refusal, invalid

DEFAULT_SIGNATURE = "serving_default"
CODES = tuple(HTTP_STATUS)  # from 1 on, as `tf.errors` numbers them


class Service:
    """Answers requests for one version of one export.

    Args:
        export: folder of a version, or of all versions, of which the highest is served.
        name: the export's name in requests; None for the name of the folder of all versions.

    Attributes:
        name: the export's name in requests.
        version: the version that is served.
        signatures: TensorFlow's SignatureDefs by name.
        description: see `SavedModelSession`.
    """

    def __init__(self, export: str, name: str | None = None):
        self._session = SavedModelSession(export)
        self.signatures, self.description = self._session.signatures, self._session.description
        self.version = int(self._session.path.name) if self._session.path.name.isdigit() else 1
        self.name = name or self._session.path.resolve().parent.name

    def check(self, name: str, version: int | None = None, label: str | None = None) -> None:
        """Raises Refusal unless the name, the version and its label are served; None stands for any."""
        if label is not None:
            raise invalid("Unrecognized servable version label: ", label)
        if name != self.name or version not in (None, self.version):
            request = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise Refusal("NOT_FOUND", f"Servable not found for request: {request}")

    def dtypes(self, signature: str) -> dict[str, np.dtype]:
        """Returns the NumPy types of a signature's inputs by their names; object stands for bytes."""
        inputs = self.signatures[signature].inputs
        return {key: np.dtype(tf.as_dtype(info.dtype).as_numpy_dtype) for key, info in sorted(inputs.items())}

    def __call__(self, signature: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Answers a request for a model that `check` accepts.

        Args:
            signature: name of the signature; "" for `DEFAULT_SIGNATURE`.
            inputs: the signature's inputs by their names.

        Returns:
            The signature's outputs by their names.

        Raises:
            Refusal: if the signature is unknown, or the inputs do not fit.
        """
        signature = signature or DEFAULT_SIGNATURE
        if signature not in self.signatures:
            raise Refusal("FAILED_PRECONDITION", f'Serving signature key "{signature}" not found.')
        self._check_inputs(self.dtypes(signature), inputs)
        try:
            return self._session(signature, **inputs)
        except tf.errors.OpError as error:
            # The session's own error is of the same kind, and begins with the Python code that made the operation.
            reason = error.__context__ if isinstance(error.__context__, tf.errors.OpError) else error
            raise Refusal(CODES[error.error_code - 1], first_line(reason)) from error
        except (ArgumentError, ValueError, TypeError) as error:
            raise invalid(first_line(error)) from error

    @staticmethod
    def _check_inputs(dtypes, inputs):
        if len(inputs) != len(dtypes):
            given, expected = set(inputs), set(dtypes)
            raise invalid(
                f"input size does not match signature: {len(given)}!={len(expected)} len({names_text(given)}) != "
                f"len({names_text(expected)}). Sent extra: {names_text(given - expected)}. Missing but required: "
                f"{names_text(expected - given)}."
            )
        for i, (name, value) in enumerate(sorted(inputs.items())):
            if name not in dtypes:
                raise invalid(
                    f"input tensor alias not found in signature: {name}. Inputs expected to be in the set "
                    f"{names_text(dtypes)}."
                )
            if value.dtype != dtypes[name]:
                expected, given = type_name(dtypes[name]), type_name(value.dtype)
                raise invalid(f"Expects arg[{i}] to be {expected} but {given} is provided")
            if value.ndim and not len(value):
                raise invalid(f"Tensor name: {name} has invalid batch size: 0")


def names_text(names: Iterable[str]) -> str:
    """Returns names as the server's messages have them."""
    return f"{{{','.join(sorted(names))}}}"
