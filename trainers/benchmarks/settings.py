"""What a benchmark is told by the flags."""

import dataclasses
import pathlib
import sys
from collections.abc import Iterable

from keras_resnets.errors import ArgumentError


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of a benchmark.

    Attributes:
        repeats: number of measurements of each thing.
        peer_python: the Python that has PyTorch, a path or a name on PATH.
        only: names of what is measured; empty for all.
        folder: where pictures are written; None for none.
    """

    repeats: int = 5
    peer_python: str = sys.executable
    only: tuple[str, ...] = ()
    folder: pathlib.Path | None = None

    def chosen(self, names: Iterable[str]) -> list[str]:
        """Returns those of a benchmark's names that `only` has.

        Raises:
            ArgumentError: if it has none of them.
        """
        names = list(names)
        found = [name for name in names if not self.only or name in self.only]
        if not found:
            raise ArgumentError(f"--only={','.join(self.only)} must have one of {', '.join(names)}.")
        return found
