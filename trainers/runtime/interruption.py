"""What ends a training after its state has been saved: signals, and the time that it may take."""

from __future__ import annotations

import signal

SIGNAL_STATUS = 128  # plus the signal's number: the status of a process that a signal ended
TIMEOUT_STATUS = 124  # of a process that has no more time, as of timeout(1)


class Interrupted(Exception):
    """A signal has ended the training, or its time is over; its state is saved.

    Attributes:
        signal: number of the signal, or 0 if the time is over.
        step: last step, which is saved.
        status: of the process.
    """

    def __init__(self, signal_number: int, step: int):
        reason = "" if signal_number else " when --max_hours were over"
        super().__init__(f"stopped{reason} at step {step}, which is saved: the same command goes on from there")
        self.signal, self.step = signal_number, step
        self.status = SIGNAL_STATUS + signal_number if signal_number else TIMEOUT_STATUS


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
