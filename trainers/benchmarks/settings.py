"""What a benchmark is told by the flags."""

import dataclasses
import pathlib
import sys


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of a benchmark.

    Attributes:
        rows: what is measured, of `trainers.benchmarks.registry.Benchmark.rows`.
        repeats: number of measurements of each thing.
        peer_python: the Python that has PyTorch, a path or a name on PATH.
        folder: where pictures are written; None for none.
    """

    rows: tuple[str, ...] = ()
    repeats: int = 5
    peer_python: str = sys.executable
    folder: pathlib.Path | None = None
