"""Signals that end a training after its state has been saved."""

from __future__ import annotations

import signal


class Interrupted(Exception):
    """A signal has ended the training; its state is saved.

    Attributes:
        signal: number of the signal.
        step: last step, which is saved.
    """

    def __init__(self, signal_number: int, step: int):
        super().__init__(f"stopped at step {step}, which is saved: the same command goes on from there")
        self.signal, self.step = signal_number, step


class Interruption:
    """Catches SIGTERM and SIGINT in a `with` statement.

    A second SIGINT (Ctrl-C) ends the process at once.

    Attributes:
        signal: number of the caught signal, or 0.
    """

    def __init__(self):
        self.signal = 0

    def __enter__(self) -> Interruption:
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *unused) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        self.signal = number
        signal.signal(signal.SIGINT, self._before[signal.SIGINT])
