"""Requests in the JSON of TensorFlow Serving's REST API, as its json_tensor.cc reads them.

A request has its inputs in rows, `instances`, or in columns, `inputs`. Bytes are {"b64": TEXT}. Texts of errors are the
server's.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from trainers.serving.json_arrays import is_object, read_array, read_numbers, shape_of
from trainers.serving.json_texts import echo, format_error
from trainers.serving.refusal import Refusal, invalid

PARSE_ERRORS = {  # RapidJSON's texts, by those of Python's parser
    "Expecting value": "Invalid value.",
    "Expecting ',' delimiter": "Missing a comma, } or ] after a value.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Extra data": "The document root must not be followed by other values.",
    "Invalid control character at": "Invalid encoding in string.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
}


def parse(body: bytes) -> dict[str, Any]:
    """Returns the JSON object of a request.

    Raises:
        Refusal: if the body is none.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        text = body.decode()
        document = json.loads(text)
        if "\\u" in text:
            json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise invalid("JSON Parse error: The surrogate pair in string is invalid.") from error
    except UnicodeDecodeError as error:
        raise _parse_error("Invalid encoding in string.", error.start) from error
    except json.JSONDecodeError as error:
        text = next((text for start, text in PARSE_ERRORS.items() if error.msg.startswith(start)), "Invalid value.")
        raise _parse_error(text, error.pos) from error
    except RecursionError as error:
        raise invalid("JSON Parse error: the document is nested too deeply") from error
    except ValueError as error:  # an integer of thousands of digits
        raise invalid("JSON Parse error: Number too big to be stored in double.") from error
    if not isinstance(document, dict):
        raise format_error(document, "Is not object")
    return document


def _parse_error(text, offset):
    return invalid("JSON Parse error: ", text, " at offset: ", offset)


def signature_name(document: Mapping[str, Any]) -> str:
    """Returns the signature that a request asks for; "" for the default.

    Raises:
        Refusal: if it is no text.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise format_error(document, "not formatted correctly. 'signature_name' key must be a string value.")
    return name


def examples(document: Mapping[str, Any]) -> list:
    """Returns the examples of a request to classify or regress.

    Raises:
        Refusal: if there are none.
    """
    if "examples" not in document:
        raise format_error(document, "When method is classify, key 'examples' is expected and was not found")
    if not isinstance(document["examples"], list):
        raise format_error(document, "Expecting 'examples' value to be an list/array")
    if not document["examples"]:
        raise format_error(document, "'examples' value is an empty array")
    return document["examples"]


def read_inputs(document: Mapping[str, Any], dtypes: Mapping[str, np.dtype]) -> tuple[dict[str, np.ndarray], bool]:
    """Returns the inputs of a request to predict as arrays, and whether it has them in rows.

    Args:
        document: the request's JSON object.
        dtypes: the types of the signature's inputs by their names; object stands for bytes.

    Raises:
        Refusal: if the request has no such inputs.
    """
    if "instances" not in document:
        if "inputs" not in document:
            raise invalid("Missing 'inputs' or 'instances' key")
        return _from_columns(document["inputs"], dtypes), False
    if "inputs" in document:
        text = "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist "
        raise format_error(document, text)
    rows = document["instances"]
    if not isinstance(rows, list):
        raise format_error(document, "Excepting 'instances' to be an list/array")
    if not rows:
        raise format_error(document, "No values in 'instances' array")
    return _from_rows(rows, dtypes), True


def _from_columns(columns, dtypes):
    if is_object(columns):
        for name in dtypes:
            if name not in columns:
                raise invalid("Missing named input: ", name, " in 'inputs' object.")
        return {name: read_array(columns[name], dtype) for name, dtype in dtypes.items()}
    if len(dtypes) > 1:
        raise invalid(
            "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
            "tensorinfo_map"
        )
    ((name, dtype),) = dtypes.items()
    return {name: read_array(columns, dtype)}


def _from_rows(rows, dtypes):
    if not isinstance(rows[0], dict) and len(dtypes) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    are_objects = is_object(rows[0])
    columns = _columns(rows, are_objects, dtypes)
    keys = {name: f" key: {name}" if are_objects else "" for name in dtypes}
    return {name: _rows_array(column, dtypes[name], keys[name]) for name, column in columns.items()}


def _columns(rows, are_objects, dtypes):
    """Returns the values of all rows by the names of the inputs."""
    for i, row in enumerate(rows):
        if is_object(row) != are_objects:
            kinds = "object but got list" if are_objects else "value/list but got object"
            raise invalid("Expecting ", kinds, " at item ", i, " of input list")
        if not are_objects:
            continue
        for name in row:
            if name not in dtypes:
                raise _row_error(i, f" key: {name}", f"JSON object: does not have named input: {name}")
        if len(row) != len(dtypes):
            raise invalid(
                f"Failed to process element: {i} of 'instances' list. JSON object: {echo(row)} keys must be equal "
                f"to: {','.join(sorted(dtypes))}"
            )
    if are_objects:
        return {name: [row[name] for row in rows] for name in dtypes}
    (name,) = dtypes
    return {name: rows}


def _row_error(i, key, text):
    return invalid(f"Failed to process element: {i}{key} of 'instances' list. Error: INVALID_ARGUMENT: {text}")


def _rows_array(rows, dtype, key):
    """Returns the array of an input that is given in rows; the key names it in errors."""
    array = read_numbers(rows, shape_of(rows), dtype)
    if array is not None:
        return array
    arrays = []
    for i, row in enumerate(rows):
        try:
            arrays.append(read_array(row, dtype))
        except Refusal as refusal:
            raise _row_error(i, key, refusal) from refusal
        first, size = arrays[0], arrays[-1].size
        if size != first.size:
            raise _row_error(i, key, f"Expecting tensor size: {first.size} but got: {size}")
        if arrays[-1].shape != first.shape:
            shapes = (f"[{','.join(map(str, array.shape))}]" for array in (first, arrays[-1]))
            raise _row_error(i, key, "Expecting shape {} but got: {}".format(*shapes))
    return np.stack(arrays)
