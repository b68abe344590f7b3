"""A pytest plugin: what the tests of a worker have started ends with the worker."""

import contextlib
import os
import pathlib
import signal


def pytest_testnodedown(node):
    """Ends the processes that a worker has left. They have inherited the worker's environment variables."""
    variables = {b"PYTEST_XDIST_TESTRUNUID": node.workerinput["testrunuid"], b"PYTEST_XDIST_WORKER": node.gateway.id}
    marks = {name + b"=" + value.encode() for name, value in variables.items()}
    for file in pathlib.Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # Others' processes, and those that have ended meanwhile.
            if marks <= set(file.read_bytes().split(b"\0")):
                os.kill(int(file.parent.name), signal.SIGKILL)
