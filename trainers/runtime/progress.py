"""Progress of long work: a bar with rate and time left on a terminal, plain lines otherwise."""

import sys
import time

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 10  # of work that reports no figures, off a terminal


class Progress:
    """Counts work on stderr; use it in a `with` statement.

    Args:
        total: amount of work, in units.
        title: what is being done.
        unit: plural noun, e.g. "images".
        done: work done before.
        shown: whether to show anything.
    """

    def __init__(self, total, title, unit, done=0, shown=True):
        self._total, self._title, self._unit = total, title, unit
        self._first, self._done, self._start = done, done, time.monotonic()
        self._last_line = self._start
        self._shown, self._bar = shown, None
        if shown and sys.stderr.isatty():
            self._bar = tqdm(total=total, initial=done, desc=title, unit=f" {unit}", dynamic_ncols=True)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self._bar is not None:
            self._bar.close()

    def update(self, amount):
        """Adds `amount` units of finished work."""
        self._done += amount
        if self._bar is not None:
            self._bar.update(amount)
        elif self._shown and time.monotonic() - self._last_line > SECONDS_BETWEEN_LINES:
            self.report("")

    def report(self, text):
        """Shows figures: behind the bar on a terminal, else on a line of their own with the rate and the time left."""
        if self._bar is not None:
            self._bar.set_postfix_str(text)
            return
        if not self._shown:
            return
        self._last_line = time.monotonic()
        rate = (self._done - self._first) / max(self._last_line - self._start, 1e-9)
        left = tqdm.format_interval((self._total - self._done) / rate) if rate else "?"
        share = self._done / max(self._total, 1)
        print(f"{self._title}: {share:.0%}  {text}  {rate:.0f} {self._unit}/s  {left} left", file=sys.stderr)
