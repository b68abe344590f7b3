"""What TensorFlow's profiler records of a step: the operations that run, and the memory that they take."""

import dataclasses
import pathlib
import tempfile
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf
from tensorflow.tsl.profiler.protobuf.xplane_pb2 import XSpace

MEMORY = ("MemoryAllocation", "MemoryDeallocation")


class Operation(NamedTuple):
    """An operation that was executed: its name, its type, and the milliseconds from its begin to its end."""

    name: str
    type: str
    ms: float


@dataclasses.dataclass(frozen=True)
class Trace:
    """A step.

    Attributes:
        operations: those that TensorFlow's executors ran.
        peak_bytes: the largest memory of tensors of 256 KiB and more, without those that were there before the step; 0
            where the allocator records none, which is so on a CPU without oneDNN.
    """

    operations: list[Operation]
    peak_bytes: int


def traced(step: Callable[[], Any]) -> Trace:
    """Makes a step, which must have been made before, and returns its trace."""
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            step()
        (path,) = pathlib.Path(folder).rglob("*.xplane.pb")
        planes = XSpace.FromString(path.read_bytes()).planes
    operations, allocated = [], []
    for plane in planes:
        for event in (event for line in plane.lines for event in line.events):
            event_name = plane.event_metadata[event.metadata_id].name
            name, _, type = event_name.rpartition(":")
            if event_name in MEMORY:
                stats = {plane.stat_metadata[stat.metadata_id].name: stat for stat in event.stats}
                allocated.append(stats["bytes_allocated"].int64_value)
            # Other events are of the runtime: "Class::Method", "Call: function".
            elif name and not name.endswith(":") and type.isidentifier():
                operations.append(Operation(name, type, event.duration_ps / 1e9))
    return Trace(operations, max(allocated) - min(allocated) if allocated else 0)
