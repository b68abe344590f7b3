"""Texts of TensorFlow Serving's errors about JSON: the names of types, and values as it repeats them."""

import json
from typing import Any

import numpy as np
import tensorflow as tf

from trainers.serving.refusal import Refusal, invalid

LONGEST_ECHO = 500  # characters of a request in an error's message; the server repeats all
TYPE_NAMES = {"float32": "float", "float64": "double"}  # where TensorFlow's C++ names are not NumPy's
JSON_TYPES = {dict: "Object", list: "Array", str: "String", int: "Number", float: "Number", type(None): "Null"}


def type_name(dtype: np.dtype) -> str:
    """Returns the name of a NumPy type in the server's messages; object stands for bytes."""
    name = tf.as_dtype(dtype).name
    return TYPE_NAMES.get(name, name)


def json_type(value: Any) -> str:
    """Returns RapidJSON's name of a value's type."""
    return str(value) if isinstance(value, bool) else JSON_TYPES[type(value)]


def echo(value: Any) -> str:
    """Returns a value as JSON for a message, the first characters of a long one."""
    text = ""
    for part in json.JSONEncoder(indent=4).iterencode(value):
        text += part[: LONGEST_ECHO + 1]
        if len(text) > LONGEST_ECHO:
            return f"{text[:LONGEST_ECHO]}..."
    return text


def format_error(document: Any, text: str) -> Refusal:
    """Returns the Refusal of a request whose JSON is of another form."""
    return invalid("JSON Value: ", echo(document), " ", text)
