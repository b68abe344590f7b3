"""The flag --holdout."""

import contextlib

from absl import flags


def define_holdout() -> None:
    """Defines --holdout."""
    flags.DEFINE(
        _NumberOrShare(),
        "holdout",
        None,
        "Training images that are held out, and measured with instead of the test split: a number, e.g. 5000, or a "
        "share of each class, e.g. 0.2. Default: none.",
    )


def holdout_from_flags() -> float | None:
    """Returns a share between 0 and 1, a number of images as an integer, or None."""
    return flags.FLAGS.holdout


class _NumberOrShare(flags.FloatParser):
    """Whole numbers are integers. 1.0 is refused: it may be meant as a share."""

    def parse(self, argument):
        if str(argument).isdecimal() and int(argument) > 0:
            return int(argument)
        with contextlib.suppress(ValueError):
            share = super().parse(argument)
            if 0 < share < 1:
                return share
        raise ValueError("use a number of images without a point, or a share between 0 and 1")
