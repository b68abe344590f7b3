"""Reports of damaged files and objects of a data set: on stderr, one line for each cause, or as an error."""

import contextlib
import dataclasses
import pathlib
import sys
from collections.abc import Iterator

from keras_resnets.errors import ArgumentError

CAUSES = 20  # that are printed; the others are counted
LEFT_OUT = "left out"


class Damage(Exception):
    """A damaged object or file: see `Problems.leave_out`.

    Args:
        cause: what is wrong, the same words for all that have it.
        detail: the damaged values; "" for none.
    """

    def __init__(self, cause: str, detail: str = ""):
        super().__init__(cause, detail)
        self.cause, self.detail = cause, detail


def counted(count: int, unit: str) -> str:
    """Returns a number with its unit, e.g. "1 image" or "2 images"."""
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


@dataclasses.dataclass
class _Cause:
    example: str
    count: int = 0


class Problems:
    """Counts problems by their causes, and prints a line for each cause at the end of its `with` statement.

    Such a line is "voc:PATH: 12 images: the file does not exist (e.g. 1.xml: 1.jpg); left out".

    Args:
        dataset: value of --dataset, e.g. "voc:PATH".
        strict: whether the first problem is an error.
    """

    def __init__(self, dataset: str, strict: bool):
        self.dataset, self._strict = dataset, strict
        self._causes = {}

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        for (unit, cause, outcome), found in list(self._causes.items())[:CAUSES]:
            example = f" ({'' if found.count == 1 else 'e.g. '}{found.example})"
            self.say(f"{counted(found.count, unit)}: {cause}{example}; {outcome}")
        if len(self._causes) > CAUSES:
            left = [found.count for found in list(self._causes.values())[CAUSES:]]
            self.say(f"{sum(left)} problems of {len(left)} other causes")

    @property
    def main_cause(self) -> str:
        """Returns what most images were left out for, e.g. " (12 images: it does not exist)"; "" if none was."""
        counts = {
            cause: found.count
            for (unit, cause, outcome), found in self._causes.items()
            if (unit, outcome) == ("image", LEFT_OUT)
        }
        if not counts:
            return ""
        cause = max(counts, key=counts.get)
        return f" ({counted(counts[cause], 'image')}: {cause})"

    def say(self, text: str) -> None:
        """Prints a line about the whole data set at once."""
        print(f"{self.dataset}: {text}", file=sys.stderr)

    def report(
        self, unit: str, name: str | pathlib.Path, cause: str, detail: str = "", outcome: str = LEFT_OUT
    ) -> None:
        """Counts a problem.

        Args:
            unit: what has it, in the singular: "image", "object", "file".
            name: of the image, object or file, for the example.
            cause: what is wrong, the same words for all that have it.
            detail: the damaged values, for the example; "" for none.
            outcome: what is done about it, e.g. "left out", the same words for all.

        Raises:
            ArgumentError: if strict.
        """
        if self._strict:
            raise ArgumentError(f"{_example(name, detail)}: {cause}: mend it, or go on without --strict ({outcome}).")
        self.note(unit, name, cause, detail, outcome)

    def note(self, unit: str, name: str | pathlib.Path, cause: str, detail: str, outcome: str) -> None:
        """Counts what is no problem, but has to be said, also if strict; arguments as of `report`."""
        key = unit, cause, outcome
        if key not in self._causes:
            self._causes[key] = _Cause(_example(name, detail))
        self._causes[key].count += 1

    @contextlib.contextmanager
    def leave_out(self, unit: str, name: str | pathlib.Path) -> Iterator[None]:
        """Reports a `Damage` of `name` that is raised in the `with` statement, and continues after the statement."""
        try:
            yield
        except Damage as damage:
            self.report(unit, name, damage.cause, damage.detail)


def _example(name, detail):
    return f"{name}: {detail}" if detail else str(name)
