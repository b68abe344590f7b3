"""Reading the three HDF5 layouts of Keras weights as one mapping; nothing in a file is executed."""

import json
import os
from collections.abc import Callable
from typing import BinaryIO

import h5py
import numpy as np

from keras_resnets.errors import ArgumentError, first_line
from keras_resnets.weights.family import Arrays

LARGEST_PACKING = 1032  # bytes that one byte of zlib's Deflate can stand for


def is_hdf5(start: bytes) -> bool:
    """Returns whether these bytes begin an HDF5 file."""
    return start.startswith(b"\x89HDF\r\n\x1a\n")


def read_hdf5(source: str, path: str | os.PathLike[str] | BinaryIO, say: Callable[[str], None]) -> Arrays:
    """Reads every layer's arrays from an HDF5 file.

    Of a model that holds nets as layers, as transfer learning makes it, these are the layers of the largest net.

    Args:
        source: the name of the file, for messages.
        path: a legacy weights file (keras.applications' published files), a whole legacy model (`model.save("x.h5")`),
            or a Keras 3 weights file (`model.save_weights("x.weights.h5")`), also opened.
        say: function that is called with a message if a net is found in the model.

    Returns:
        The arrays of each layer by its name, in the order of Keras: kernel, bias; gamma, beta, moving mean, moving
        variance. Layers without weights have an empty list; a legacy file without the model's configuration does not
        record those of a net in the model.

    Raises:
        ArgumentError: if the file is damaged or of another format.
    """
    try:
        with h5py.File(path, "r") as file:
            _check_complete(file)
            legacy = file["model_weights"] if "model_weights" in file else file
            nets = dict(_legacy_nets(legacy) if "layer_names" in legacy.attrs else _keras3_nets("", file))
            if "model_config" in file.attrs:
                _add_layers_without_weights(nets, json.loads(file.attrs["model_config"])["config"])
            largest = max(nets, key=lambda name: sum(map(len, nets[name].values())))
    except (OSError, KeyError, RuntimeError, TypeError, AttributeError, ValueError, MemoryError) as error:
        raise ArgumentError(
            f"{source} is not a readable HDF5 file of Keras weights ({first_line(error)}): download or save it again."
        ) from error
    if largest:
        say(f"{source}: the weights of the net {largest!r} in the model are read, without the layers around it")
    return nets[largest]


def _check_complete(file):
    """Raises ValueError if a file has links that Keras does not write, or states more values than it holds."""
    # h5py's visits end at the first result. Errors do not pass through them. They come to a linked group once.
    reason = (
        _reason_against_group("the root", file)
        or file.visititems_links(_reason_against_link)
        or file.visititems(_reason_against_group)
        or file.visititems(_reason_against_values)
    )
    if reason is not None:
        raise ValueError(reason)


def _reason_against_link(name, link):
    if isinstance(link, h5py.ExternalLink):
        return f"{name} is in another file, {link.filename}"
    return f"{name} is a link to {link.path}" if isinstance(link, h5py.SoftLink) else None


def _reason_against_group(name, item):
    """Of a group that is in two groups, one may be itself: reading it would not end."""
    is_linked = isinstance(item, h5py.Group) and h5py.h5o.get_info(item.id).rc > 1
    return f"{name} is a group in several groups, or in itself" if is_linked else None


def _reason_against_values(name, item):
    if not isinstance(item, h5py.Dataset):
        return None
    if item.external or item.is_virtual:
        return f"the values of {name} are in other files"
    is_packed = item.id.get_create_plist().get_nfilters() > 0
    if item.nbytes > item.id.get_storage_size() * (LARGEST_PACKING if is_packed else 1):
        return f"{name} has the shape {item.shape}, but not as many values"
    return None


def _legacy_nets(group):
    """Yields "" and the arrays of the model's layers, and the name and the arrays of each net among them.

    There is a group for each layer, whose attribute `weight_names` orders its arrays. That of a net has all of its
    layers' arrays, as "conv1_conv/kernel:0".
    """
    layers = {}
    for name in map(_text, group.attrs["layer_names"]):
        owners: dict[str, list[np.ndarray]] = {}
        for key in map(_text, group[name].attrs["weight_names"]):
            owners.setdefault(key.rpartition("/")[0].rpartition("/")[2], []).append(np.asarray(group[name][key]))
        layers[name] = [array for arrays in owners.values() for array in arrays]
        if len(owners) > 1:
            yield name, owners
            layers[name] = []
    yield "", layers


def _add_layers_without_weights(nets, config):
    """Adds the layers of nets that only the configuration of a whole model names."""
    for layer in config["layers"] if "layers" in config else config:  # Old files of a Sequential have the list only.
        inner = layer["config"]
        if "layers" in inner:
            name = inner["name"]
            if name in nets:
                nets[name] = {**{part["config"]["name"]: [] for part in inner["layers"]}, **nets[name]}
            _add_layers_without_weights(nets, inner)


def _keras3_nets(name, group):
    """Yields the name and the arrays of each group with layers, in any depth; "" is the model itself.

    A layer's group is called by class and count; its name is an attribute of `vars`.
    """
    if "layers" in group:
        yield name, dict(_keras3_layers(group["layers"]))
    for key, child in group.items():
        if isinstance(child, h5py.Group):
            yield from _keras3_nets(key, child)


def _keras3_layers(group):
    for key, layer in group.items():
        variables = layer["vars"]
        yield _text(variables.attrs.get("name", key)), [np.asarray(variables[str(i)]) for i in range(len(variables))]


def _text(value):
    return value.decode() if isinstance(value, bytes) else str(value)
