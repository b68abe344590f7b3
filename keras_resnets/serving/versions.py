"""Versions of an export: folders called by an integer, of which TensorFlow Serving takes the highest."""

import pathlib

from keras_resnets.errors import ArgumentError


def versions(base):
    """Returns the versions below the folder `base`, ascending; none if there is no such folder."""
    base = pathlib.Path(base)
    names = [path.name for path in base.iterdir() if path.is_dir()] if base.is_dir() else []
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


def next_version(base):
    """Returns the first free version after all that exist: 1 in a new folder."""
    return max(versions(base), default=0) + 1


def resolve(path):
    """Returns the version's folder for `BASE/VERSION`, or that of the highest version for `BASE`.

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
