"""Progress of long work on stderr: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 10  # for work that reports nothing itself


class Progress:
    """Counts finished work and shows it, with its rate and the time left; use it in a `with` statement.

    Args:
        total: amount of work, in units.
        title: of the work.
        unit: plural noun, e.g. "images".
        done: work that was finished before, in units.
        shown: whether to show anything.
    """

    def __init__(self, total: int, title: str, unit: str, done: int = 0, shown: bool = True):
        self._total, self._title, self._unit = total, title, unit
        self._first, self._done, self._start = done, done, time.monotonic()
        self._last_line = self._start
        self._shown, self._bar = shown, None
        if shown and sys.stderr.isatty():
            self._bar = tqdm(total=total, initial=done, desc=title, unit=f" {unit}", dynamic_ncols=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *unused) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, amount: int) -> None:
        """Adds `amount` units of finished work."""
        self._done += amount
        if self._bar is not None:
            self._bar.update(amount)
        elif self._shown and time.monotonic() - self._last_line > SECONDS_BETWEEN_LINES:
            self.report("")

    def report(self, text: str) -> None:
        """Shows a text: behind the bar, or in a line with the rate and the time left."""
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
