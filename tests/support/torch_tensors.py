"""Tensors of PyTorch nets without PyTorch, made from their names and shapes as those of the references were."""

import json
import pathlib
import zlib

import numpy as np

REFERENCES = pathlib.Path(__file__).parents[1] / "keras_resnets" / "references"


def tensor(name, shape):
    """Returns the array of a tensor's name and PyTorch shape, float32; the count of batches is int64."""
    random = np.random.RandomState(zlib.crc32(name.encode()))
    kind = name.rpartition(".")[2]
    if kind == "num_batches_tracked":
        return np.zeros(shape, "int64")
    if kind == "running_var":
        values = 1 + 0.2 * abs(random.randn(*shape))
    elif kind in ("running_mean", "bias"):
        values = 0.02 * random.randn(*shape)
    elif len(shape) == 1:
        values = 1 + 0.1 * random.randn(*shape)
        values[::7] *= -1  # Tells apart nets that pool before or after normalization.
    else:
        values = np.sqrt(2.4 / np.prod(shape[1:])) * random.randn(*shape)
    return values.astype("float32")


def shapes(reference):
    """Returns the shapes of a reference net's tensors, a dict by their names."""
    with np.load(REFERENCES / f"{reference}.npz") as file:
        return json.loads(str(file["state_dict"]))


def state_dict(reference, classes=1000):
    """Returns the tensors of a reference net, a dict by their names, for a number of classes."""
    return {
        name: tensor(name, [classes if size == 1000 else size for size in shape])
        for name, shape in shapes(reference).items()
    }
