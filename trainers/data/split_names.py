"""The names under which people and tools keep the splits of a data set, as folders or in a column."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from trainers.runtime.choices import OLDER_SPLITS

TRAINING = ("train", "training")
VALIDATION = ("val", "valid", "validation", "dev", "development")
EITHER = ("eval", "evaluation")  # the validation split beside a test split, the test split beside a validation split
TEST = ("test", "testing", "holdout")
MEASURED = VALIDATION + EITHER + TEST  # The first one that there is is measured with.
# In place of the name of a split: what runs that recorded none were measured with.
OLDER_RUNS = "as in older runs"


@dataclasses.dataclass(frozen=True)
class SplitNames:
    """Names of splits, as they are written in a data set.

    Attributes:
        train: of the training split; None if there is none.
        test: of the split to measure with, which is the validation split where there is one; None if there is none.
        untouched: of the others, e.g. a test split beside a validation split.
    """

    train: str | None
    test: str | None
    untouched: tuple[str, ...]

    def say(self, dataset: str, held_out: bool = False) -> None:
        """Says on stderr which split is measured with, and which ones stay untouched, if there are any.

        Args:
            dataset: value of --dataset.
            held_out: whether training images are measured with, and no split.
        """
        if self.untouched and held_out:
            print(f"{dataset}: not used: {', '.join(filter(None, (self.test, *self.untouched)))}", file=sys.stderr)
        elif self.untouched:
            print(f"{dataset}: measured with {self.test}; not used: {', '.join(self.untouched)}", file=sys.stderr)


def choose_splits(names: Iterable[str], measured: str | None = None) -> SplitNames:
    """Finds the splits among names, in any case; names that are no splits' are left out.

    Args:
        names: the names.
        measured: the split that a run was measured with, or `OLDER_RUNS`; it is taken if it is among the names.
    """
    preferred = OLDER_SPLITS if measured == OLDER_RUNS else (measured,)
    known = sorted((name for name in names if name.lower() in TRAINING + MEASURED), key=_rank)
    train = [name for name in known if name.lower() in TRAINING]
    test = [name for name in known if name.lower() in MEASURED]
    test = [*(name for name in preferred if name in test), *(name for name in test if name not in preferred)]
    return SplitNames(next(iter(train), None), next(iter(test), None), (*train[1:], *test[1:]))


def split_of_run(config: Mapping[str, Any] | None) -> str | None:
    """Returns the split that a run was measured with, or `OLDER_RUNS` if it recorded none.

    Args:
        config: the run's configuration, or None for no run, which has no split.
    """
    return None if config is None else config.get("measured", OLDER_RUNS)


def _rank(name):
    """Orders names: the first of a table first, and of two with one meaning the one in lower case."""
    return (TRAINING + MEASURED).index(name.lower()), name != name.lower(), name
