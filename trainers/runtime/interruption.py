"""A polite end of training when the process is asked to stop."""

import signal


class Interrupted(Exception):
    """Training was asked to stop, and has saved its state.

    Attributes:
        signal: the number of the signal.
        step: that was saved.
    """

    def __init__(self, signal_number, step):
        super().__init__(f"stopped at step {step}, which is saved: the same command goes on from there")
        self.signal, self.step = signal_number, step


class Interruption:
    """Notes SIGTERM and SIGINT while it is open; use it in a `with` statement.

    A second SIGINT (Ctrl-C) ends the process at once.

    Attributes:
        signal: the number of the signal that came, or 0.
    """

    def __init__(self):
        self.signal = 0

    def __enter__(self):
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *unused):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        self.signal = number
        signal.signal(signal.SIGINT, self._before[signal.SIGINT])
