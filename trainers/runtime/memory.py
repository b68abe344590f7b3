"""The memory of the machine, and what a process has taken of it."""

import os
import pathlib
import resource
import sys

import tensorflow as tf

# Control groups: the folder, its files of the limit and of what is taken, and the name in memory.stat of what can be
# given back.
GROUPS = (
    ("/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def available_memory() -> int:
    """Returns the bytes that processes can still take: of the machine, or of this process's control group, if less."""
    meminfo = pathlib.Path("/proc/meminfo")
    if not meminfo.exists():
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    available = [1024 * _numbers(meminfo)["MemAvailable:"]]
    for folder, limit, taken, given_back in GROUPS:
        folder = pathlib.Path(folder)
        if (folder / limit).exists() and (folder / limit).read_text().strip() != "max":
            limit, taken = (int((folder / name).read_text()) for name in (limit, taken))
            available.append(limit - taken + _numbers(folder / "memory.stat").get(given_back, 0))
    return max(0, min(available))


def peak_memory() -> int:
    """Returns the most bytes that TensorFlow has taken of the first GPU, or else this process of the machine."""
    if tf.config.list_physical_devices("GPU"):
        return tf.config.experimental.get_memory_info("GPU:0")["peak"]
    status = pathlib.Path("/proc/self/status")
    if status.exists():  # `getrusage` would count what the process that started this one has taken.
        return 1024 * _numbers(status)["VmHWM:"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _numbers(file):
    """Returns the numbers of a file's lines "NAME NUMBER ...", by their names."""
    rows = (line.split() for line in file.read_text().splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}
