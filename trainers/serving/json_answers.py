"""Answers in the JSON of TensorFlow Serving's REST API, as its json_tensor.cc writes them.

An answer has the form of its request: rows, `predictions`, or columns, `outputs`.
"""

import binascii
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from trainers.serving.json_arrays import BASE64
from trainers.serving.refusal import invalid

BYTES_SUFFIX = "_bytes"  # of outputs that are not text


def write_outputs(outputs: Mapping[str, np.ndarray], in_rows: bool) -> dict[str, Any]:
    """Returns the answer to a request to predict, for JSON.

    Args:
        outputs: arrays by their names.
        in_rows: whether the request had its inputs in rows.

    Raises:
        Refusal: if the outputs have no rows.
    """
    values = {name: _values(name, output) for name, output in outputs.items()}
    if not in_rows:
        return {"outputs": values if len(values) > 1 else next(iter(values.values()))}
    _check_rows(outputs)
    if len(values) == 1:
        return {"predictions": next(iter(values.values()))}
    return {"predictions": [dict(zip(values, row)) for row in zip(*values.values())]}


def _check_rows(outputs):
    count = 0
    for name, output in outputs.items():
        if output.ndim == 0:
            raise invalid(f"Tensor name: {name} has no shape information ")
        if len(output) < 1:
            raise invalid(f"Tensor name: {name} has invalid batch size: {len(output)}")
        if count not in (0, len(output)):
            raise invalid(f"Tensor name: {name} has inconsistent batch size: {len(output)} expecting: {count}")
        count = len(output)


def _values(name, output):
    """Returns an array as a value or nested list for JSON."""
    if output.dtype == object:
        write = _base64 if name.endswith(BYTES_SUFFIX) else _text
        return _mapped(write, output.tolist())
    if output.dtype.kind == "f":
        # Without noise: 0.2 of float32 is 0.20000000298023224 in double precision.
        output = output.astype(str).astype(np.float64)
    return output.tolist()


def _mapped(function, value):
    return [_mapped(function, entry) for entry in value] if isinstance(value, list) else function(value)


def _text(value):
    return tf.compat.as_bytes(value).decode(errors="replace")


def _base64(value):
    return {BASE64: binascii.b2a_base64(tf.compat.as_bytes(value), newline=False).decode()}
