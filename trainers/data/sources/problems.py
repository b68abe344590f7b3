"""What is damaged in a data set: named on stderr and left out, or an error."""

import collections
import contextlib
import sys

from keras_resnets import ArgumentError

NAMED = 20  # damaged files and objects named one by one


class Damage(Exception):
    """What is wrong with an object or a file, in words; see `Problems.leave_out`."""


class Problems:
    """Reports what is damaged; in a `with` statement, at the end of which it is counted.

    Args:
        dataset: value of --dataset, e.g. "voc:PATH".
        strict: whether the first problem is an error.
    """

    def __init__(self, dataset, strict):
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

    def report(self, problem, outcome):
        """Reports one problem.

        Args:
            problem: the file, the object and what is wrong with it.
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
    def leave_out(self, name, outcome="left out"):
        """Reports a `Damage` that is raised in its `with` statement, and goes on after that."""
        try:
            yield
        except Damage as damage:
            self.report(f"{name}: {damage}", outcome)
