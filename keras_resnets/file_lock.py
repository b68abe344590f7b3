"""Locks of files and folders, which exclude other processes. A lock ends with its process, however that ends."""

import contextlib
import fcntl
import os
import pathlib
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def locked(path: pathlib.Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Locks a file or a folder in a `with` statement.

    Args:
        path: of an existing folder, or of a file, which is created if it is missing.
        on_wait: called if another process has the lock. If it returns, the lock is waited for; to give up, it raises.
    """
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_WRONLY | os.O_CREAT, 0o666)
    try:
        if not _take(descriptor):
            on_wait()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def is_locked(path: pathlib.Path) -> bool:
    """Whether a process has the lock of an existing file."""
    with path.open() as file:
        return not _take(file)


def _take(file):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
