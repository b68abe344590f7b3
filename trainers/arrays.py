"""Files of arrays that are complete as soon as they have their name."""

import io
import os
import zipfile

import numpy as np

from keras_resnets import ArgumentError


def write_arrays(path, **arrays):
    """Writes arrays to a .npz file at once: a reader sees the old or the new one, never half of it."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb") as stream:
            np.savez(stream, **arrays)
        os.replace(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def read_arrays(path):
    """Returns the arrays of a .npz file, a dict, or raises ArgumentError for a file that was damaged later."""
    try:
        with np.load(io.BytesIO(path.read_bytes())) as arrays:
            return dict(arrays)
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError) as error:
        raise ArgumentError(f"{path} is damaged ({error}): remove it, and give the same command again.") from error
