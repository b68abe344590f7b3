"""Locks of files, which exclude other processes. A lock ends with its process, however that ends."""

import contextlib
import fcntl
import pathlib
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def locked(path: pathlib.Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Locks a file in a `with` statement.

    Args:
        path: of the file, which is created if it is missing.
        on_wait: called if another process has the lock. If it returns, the lock is waited for; to give up, it raises.
    """
    with path.open("a") as file:
        if not _take(file):
            on_wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


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
