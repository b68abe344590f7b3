"""Reading the three HDF5 layouts of Keras weights as one mapping; nothing in a file is executed."""

import os

import h5py
import numpy as np

from keras_resnets.errors import ArgumentError, first_line
from keras_resnets.weights.family import Arrays


def is_hdf5(start: bytes) -> bool:
    """Returns whether these bytes begin an HDF5 file."""
    return start.startswith(b"\x89HDF\r\n\x1a\n")


def read_hdf5(path: str | os.PathLike[str]) -> Arrays:
    """Reads every layer's arrays from an HDF5 file.

    Args:
        path: a legacy weights file (keras.applications' published files), a whole legacy model (`model.save("x.h5")`),
            or a Keras 3 weights file (`model.save_weights("x.weights.h5")`).

    Returns:
        The arrays of each layer by its name, in the order of Keras: kernel, bias; gamma, beta, moving mean, moving
        variance. Layers without weights have an empty list.

    Raises:
        ArgumentError: if the file is damaged or of another format.
    """
    try:
        with h5py.File(path, "r") as file:
            if "layers" in file:
                return dict(_keras3_layers(file["layers"]))
            return dict(_legacy_layers(file["model_weights"] if "model_weights" in file else file))
    except (OSError, KeyError, RuntimeError, TypeError, AttributeError, ValueError) as error:
        raise ArgumentError(
            f"weights={str(path)!r} is not a readable HDF5 file of Keras weights ({first_line(error)}): "
            "download or save it again."
        ) from error


def _legacy_layers(group):
    """Yields names and arrays. There is a group for each layer, whose attribute `weight_names` orders its arrays."""
    for name in map(_text, group.attrs["layer_names"]):
        yield name, [np.asarray(group[name][_text(key)]) for key in group[name].attrs["weight_names"]]


def _keras3_layers(group):
    """Yields names and arrays. A layer's group is called by class and count; its name is an attribute of `vars`."""
    for key, layer in group.items():
        variables = layer["vars"]
        name = _text(variables.attrs.get("name", key))
        yield name, [np.asarray(variables[str(i)]) for i in range(len(variables))]


def _text(value):
    return value.decode() if isinstance(value, bytes) else str(value)
