"""Files that are whole as soon as they have their name: a reader sees the old or the new one, never half of it."""

import contextlib
import json
import os
import threading
import zipfile

import numpy as np

from keras_resnets.errors import ArgumentError


@contextlib.contextmanager
def atomic_file(path, shared=False):
    """Opens a file to write bytes into, which gets its name when the `with` statement ends without an exception.

    Args:
        path: of the file.
        shared: whether other threads or processes may write the same file meanwhile: they do not meet.
    """
    own = f".{os.getpid()}.{threading.get_ident()}" if shared else ""
    partial = path.with_name(f"{path.name}{own}.partial")
    try:
        with partial.open("wb") as stream:
            yield stream
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path, text, shared=False):
    """Writes a text: see `atomic_file`."""
    with atomic_file(path, shared) as stream:
        stream.write(text.encode())


def write_json(path, content, shared=False):
    """Writes what JSON can hold: see `atomic_file`."""
    write_text(path, json.dumps(content, indent=2) + "\n", shared)


def write_arrays(path, **arrays):
    """Writes arrays to a .npz file: see `atomic_file`."""
    with atomic_file(path) as stream:
        np.savez(stream, **arrays)


def read_arrays(path, *names):
    """Returns arrays of a .npz file, a dict: those of the names, or all; others are not read from the disk.

    Raises:
        ArgumentError: if the file was damaged later.
    """
    try:
        with np.load(path) as arrays:
            return {name: arrays[name] for name in names or arrays.files}
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError) as error:
        raise ArgumentError(f"{path} is damaged ({error}): remove it, and give the same command again.") from error
