"""Atomic writes: a reader sees the old or the new file, never a part of it."""

import contextlib
import json
import os
import pathlib
import threading
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from keras_resnets.errors import ArgumentError


@contextlib.contextmanager
def atomic_file(path: pathlib.Path, shared: bool = False) -> Iterator[BinaryIO]:
    """Opens a new file for bytes, which replaces `path` at the end of a `with` statement without an exception.

    Args:
        path: of the file.
        shared: whether other threads or processes may write the same file at the same time; the last one wins.
    """
    own = f".{os.getpid()}.{threading.get_ident()}" if shared else ""
    partial = path.with_name(f"{path.name}{own}.partial")
    try:
        with partial.open("wb") as stream:
            yield stream
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: pathlib.Path, text: str, shared: bool = False) -> None:
    """Writes a text as UTF-8, with an `atomic_file`."""
    with atomic_file(path, shared) as stream:
        stream.write(text.encode())


def write_json(path: pathlib.Path, content: Any, shared: bool = False) -> None:
    """Writes a value as JSON, with an `atomic_file`."""
    write_text(path, json.dumps(content, indent=2) + "\n", shared)


def write_arrays(path: pathlib.Path, **arrays: np.ndarray) -> None:
    """Writes arrays to a .npz file, with an `atomic_file`."""
    with atomic_file(path) as stream:
        np.savez(stream, **arrays)


def read_arrays(path: pathlib.Path, *names: str) -> dict[str, np.ndarray]:
    """Reads the named arrays of a .npz file, or all arrays without names.

    Raises:
        ArgumentError: if the file is damaged.
    """
    try:
        with np.load(path) as arrays:
            return {name: arrays[name] for name in names or arrays.files}
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError) as error:
        raise ArgumentError(f"{path} is damaged ({error}): remove it, and give the same command again.") from error
