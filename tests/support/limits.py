"""A worker that dies, or a test that hangs, is one failed test with its name, and leaves no process behind.

A pytest plugin. The limits are pytest's option `limits`: seconds for a test, and for one that is marked as slow.
"""

import contextlib
import faulthandler
import os
import pathlib
import signal
import sys

import pytest


def pytest_addoption(parser):
    parser.addini("limits", "seconds that a test, and a slow one, may take", type="args", default=["300", "1800"])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Ends the process, with the stack of every thread, when a test and its fixtures take too long.

    The timer is a thread without Python, which waits for no lock: it also ends a C++ call that never returns.
    """
    quick, slow = map(float, item.config.getini("limits"))
    seconds = slow if item.get_closest_marker("slow") else quick
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


def pytest_testnodedown(node):
    """Ends what a worker has started and left: it is known by the worker's variables, which it has inherited."""
    variables = {b"PYTEST_XDIST_TESTRUNUID": node.workerinput["testrunuid"], b"PYTEST_XDIST_WORKER": node.gateway.id}
    marks = {name + b"=" + value.encode() for name, value in variables.items()}
    for file in pathlib.Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # Others' processes, and those that have ended meanwhile.
            if marks <= set(file.read_bytes().split(b"\0")):
                os.kill(int(file.parent.name), signal.SIGKILL)
