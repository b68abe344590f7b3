"""Progress: a bar on a terminal, lines elsewhere."""

import os
import pty
import subprocess
import sys
import termios
import types

import pytest

from trainers.runtime import progress

PROGRAM = """
from trainers.runtime.progress import Progress
with Progress(40, "training", "images", done=10) as progress:
    progress.update(20)
    progress.report("loss 0.5")
"""


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still unless a test changes its `now`, in seconds."""
    clock = types.SimpleNamespace(now=100.0)
    monkeypatch.setattr(progress, "time", types.SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_a_line_has_the_rate_of_this_session_and_the_time_left(clock, capsys):
    with progress.Progress(70, "training", "images", done=10) as training:
        clock.now += 5
        training.update(20)
        training.report("loss 0.5")
    # 20 images in 5 s: the 10 of an earlier session do not count.
    assert capsys.readouterr().err == "training: 43%  loss 0.5  4 images/s  00:10 left\n"


def test_silent_work_has_a_line_every_ten_seconds(clock, capsys):
    with progress.Progress(100, "reading", "files") as reading:
        for _ in range(100):
            clock.now += 0.25
            reading.update(1)
    assert capsys.readouterr().err.splitlines() == [
        "reading: 41%    4 files/s  00:14 left",
        "reading: 82%    4 files/s  00:04 left",
    ]


def test_work_that_has_not_begun_has_no_time_left(clock, capsys):
    with progress.Progress(10, "training", "images") as training:
        training.report("going on")
    assert capsys.readouterr().err == "training: 0%  going on  0 images/s  ? left\n"


def test_nothing_is_shown_where_that_is_asked_for(clock, capsys):
    with progress.Progress(10, "training", "images", shown=False) as training:
        clock.now += 100
        training.update(5)
        training.report("loss 0.5")
    assert capsys.readouterr().err == ""


def test_a_bar_on_a_terminal():
    parent, child = pty.openpty()
    termios.tcsetwinsize(child, (24, 120))
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stderr=child)
    os.close(child)
    shown = b""
    try:
        while chunk := os.read(parent, 4096):
            shown += chunk
    except OSError:  # A terminal says so that its other end was closed.
        pass
    assert process.wait() == 0
    assert b"training:  75%" in shown and b"30/40" in shown and b"images/s" in shown and b"loss 0.5" in shown
