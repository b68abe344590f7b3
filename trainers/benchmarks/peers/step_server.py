"""A process that makes one timed step for each line on standard input; it needs the standard library only.

It writes a line of JSON when it is ready, one after each step, and one when the input ends.
"""

import json
import pathlib
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

WARM_UP_STEPS = 2  # after the first one


def serve(step: Callable[[], Any], **facts: float) -> None:
    """Makes a few steps without measuring them, and then one for each line.

    The first answer has `facts` and `first_step_seconds`, that of a step `seconds`, and the last one `peak_gib`, the
    peak memory of the whole process, without its children.

    Args:
        step: makes one step, and returns when it is done.
        **facts: numbers that describe a step; `units` is the number of images in it, or whatever else is counted.
    """
    first_step_seconds = _seconds(step)
    for _ in range(WARM_UP_STEPS):
        step()
    _answer(**facts, first_step_seconds=first_step_seconds)
    for _ in sys.stdin:
        _answer(seconds=_seconds(step))
    _answer(peak_gib=peak_gib())


# Here, though benchmarks without a peer use it too: peers can import the standard library and this file only.
def peak_gib() -> float:
    """Returns the peak memory of this process, in GiB.

    Without /proc, as on macOS, it is from `getrusage`, which on Linux counts the memory of the process that started
    this one as well.
    """
    status = pathlib.Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**30  # bytes on macOS
    lines = status.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 2**20


def _seconds(step):
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def _answer(**figures):
    print(json.dumps(figures), flush=True)
