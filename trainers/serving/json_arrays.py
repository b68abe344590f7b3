"""Arrays from the nested lists of a request's JSON, with the errors of TensorFlow Serving's json_tensor.cc."""

import binascii
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from trainers.serving.json_texts import echo, json_type, type_name
from trainers.serving.refusal import Refusal, invalid

BASE64 = "b64"  # key of bytes, as {"b64": TEXT}
DEEPEST = 64  # dimensions: those of NumPy


def read_array(value: Any, dtype: np.dtype) -> np.ndarray:
    """Returns a value or nested list as an array of a type.

    Raises:
        Refusal: if it is none, with the text of the server for the first value that does not fit.
    """
    shape = shape_of(value)
    array = read_numbers(value, shape, dtype)
    if array is None:
        values = []
        _collect(value, 0, shape, _reader(dtype), values)
        array = np.empty(len(values), dtype)
        array[:] = values
        array = array.reshape(shape)
    return array


def shape_of(value: Any) -> tuple[int, ...]:
    """Returns the shape that a nested list has by its first entries."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0] if value else None
    if len(shape) > DEEPEST:
        raise invalid(f"Encountered list at unexpected level: {DEEPEST} expected < {DEEPEST}")
    return tuple(shape)


def read_numbers(value: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray | None:
    """Returns a nested list as an array if all its values are numbers that the type has, else None.

    It has no loop in Python over the values, which may be the pixels of images.
    """
    if dtype.kind not in "iuf":
        return None
    values = [value]
    for size in shape:
        if set(map(type, values)) != {list} or set(map(len, values)) != {size}:
            return None
        values = list(itertools.chain.from_iterable(values))
    if not set(map(type, values)) <= ({int} if dtype.kind in "iu" else {int, float}):
        return None
    low, high = _range(dtype)
    array = np.array(values).reshape(shape)  # of objects where an integer is too large for NumPy
    if array.dtype.kind == "O" or array.size and not low <= np.min(array) <= np.max(array) <= high:  # or NaN
        return None
    return array.astype(dtype)


def _range(dtype):
    """Returns the lowest and highest number of a type, among the integers for a type of floating-point numbers."""
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return int(limits.min), int(limits.max)
    limit = 2 ** (np.finfo(dtype).nmant + 1) - 1
    return -limit, limit


def _collect(value, level, shape, read, values):
    """Appends what `read` makes of the values in a nested list, in the order and with the errors of the server."""
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid(
                f"JSON Value: {echo(value)} found at incorrect level: {level + 1} in the JSON DOM. Expected at level: "
                f"{len(shape)}"
            )
        values.append(read(value))
        return
    if level >= len(shape):
        raise invalid(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    for entry in value:
        _collect(entry, level + 1, shape, read, values)


def _reader(dtype: np.dtype) -> Callable[[Any], Any]:
    """Returns the function that reads one value of a type."""
    if dtype.kind == "O":
        return _bytes
    name = type_name(dtype)

    def read(value):
        if dtype.kind not in "biuf":
            raise Refusal("UNIMPLEMENTED", f"Conversion of JSON Value: {echo(value)} to type: {name}")
        if not _fits(value, dtype):
            raise invalid(f"JSON Value: {echo(value)} Type: {json_type(value)} is not of expected type: {name}")
        if dtype.kind == "f" and not _is_exact(value, dtype):
            raise invalid(f"Cannot convert JSON value: {echo(value)} to {name} without loss of precision.")
        return value

    return read


def _fits(value, dtype):
    """Returns whether a type has a value. The server wraps small integers around: 300 is 44 as a pixel."""
    if dtype.kind == "b" or isinstance(value, bool):
        return dtype.kind == "b" and isinstance(value, bool)
    if dtype.kind == "f":
        return isinstance(value, int | float)
    low, high = _range(dtype)
    return isinstance(value, int) and low <= value <= high


def _is_exact(value, dtype):
    """Returns whether a type has a number, if that is an integer, or else whether it is in the type's range."""
    if isinstance(value, int):
        low, high = _range(dtype)
        return low <= value <= high
    return not np.isfinite(value) or abs(value) <= float(np.finfo(dtype).max)


def _bytes(value):
    """Returns a text, or bytes in base64, as `bytes`."""
    if isinstance(value, str):
        return value.encode()
    if not isinstance(value, dict):
        raise invalid(f"JSON Value: {echo(value)} Type: {json_type(value)} is not of expected type: string")
    if not _is_base64(value):
        raise invalid(f"JSON Value: {echo(value)} not formatted correctly for base64 data")
    text = value[BASE64]
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        text = "".join(text.split()).rstrip("=")  # Spaces are allowed, and padding may be missing.
    try:
        return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except ValueError as error:
        raise invalid("Unable to base64 decode") from error


def _is_base64(value):
    return isinstance(value, dict) and value.keys() == {BASE64} and isinstance(value[BASE64], str)


def is_object(value: Any) -> bool:
    """Returns whether a value is an object, and not one that stands for bytes."""
    return isinstance(value, dict) and not _is_base64(value)
