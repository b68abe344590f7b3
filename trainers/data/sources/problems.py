"""Reports of damaged files and objects of a data set: on stderr, or as an error."""

import collections
import contextlib
import pathlib
import sys
from collections.abc import Iterator

from keras_resnets.errors import ArgumentError

NAMED = 20  # problems that are printed one by one


class Damage(Exception):
    """A damaged object or file; the message says what is wrong: see `Problems.leave_out`."""


class Problems:
    """Reports problems, and prints their number at the end of its `with` statement.

    Args:
        dataset: value of --dataset, e.g. "voc:PATH".
        strict: whether the first problem is an error.
    """

    def __init__(self, dataset: str, strict: bool):
        self.dataset, self._strict = dataset, strict
        self._outcomes = collections.Counter()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        total = self._outcomes.total()
        if total:
            outcomes = ", ".join(f"{outcome}: {count}" for outcome, count in self._outcomes.items())
            named = f", {NAMED} of them named above" if total > NAMED else ""
            print(f"{self.dataset}: {total} problem{'s' if total > 1 else ''}{named} ({outcomes})", file=sys.stderr)

    def report(self, problem: str, outcome: str) -> None:
        """Reports a problem.

        Args:
            problem: the file, the object, and what is wrong with it.
            outcome: what is done about it, e.g. "left out".

        Raises:
            ArgumentError: if strict.
        """
        if self._strict:
            raise ArgumentError(f"{problem}: mend it, or go on without --strict ({outcome}).")
        self._outcomes[outcome] += 1
        if self._outcomes.total() <= NAMED:
            print(f"{problem}: {outcome}", file=sys.stderr)

    @contextlib.contextmanager
    def leave_out(self, name: str | pathlib.Path, outcome: str = "left out") -> Iterator[None]:
        """Reports a `Damage` of `name` that is raised in the `with` statement, and continues after the statement."""
        try:
            yield
        except Damage as damage:
            self.report(f"{name}: {damage}", outcome)
