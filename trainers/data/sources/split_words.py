"""The split that a path names."""

import os
import re

from trainers.data.split_names import choose_splits


def split_word(path: str | os.PathLike) -> str:
    """Returns the word of a path that names a split, in lower case: "train" of `images/train2017`; "" if none does."""
    chosen = choose_splits(re.split(r"[^a-z]+", os.fspath(path).lower()))
    return chosen.train or chosen.test or ""
