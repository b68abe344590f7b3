"""Versions of an export: folders named by integers, of which TensorFlow Serving serves the highest."""

import os
import pathlib

from keras_resnets.errors import ArgumentError


def versions(base: str | os.PathLike) -> list[int]:
    """Returns the versions in the folder `base`, ascending; none if there is no such folder."""
    base = pathlib.Path(base)
    names = [path.name for path in base.iterdir() if path.is_dir()] if base.is_dir() else []
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


def next_version(base: str | os.PathLike) -> int:
    """Returns the version after the highest one in the folder `base`: 1 in a new folder."""
    return max(versions(base), default=0) + 1


def resolve(path: str | os.PathLike) -> pathlib.Path:
    """Returns the folder of a version: `path` itself, or that of the highest version in it.

    Raises:
        ArgumentError: if there is no SavedModel.
    """
    path = pathlib.Path(path)
    if (path / "saved_model.pb").is_file():
        return path
    for version in reversed(versions(path)):
        if (path / str(version) / "saved_model.pb").is_file():
            return path / str(version)
    raise ArgumentError(f"{path} holds no SavedModel: expected {path}/saved_model.pb or {path}/VERSION/saved_model.pb.")
