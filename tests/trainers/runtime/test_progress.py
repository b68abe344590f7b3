"""Progress: a bar on a terminal, lines elsewhere."""

import os
import pty
import subprocess
import sys
import termios

PROGRAM = """
import time
from trainers.runtime.progress import Progress
with Progress(40, "training", "images", done=10) as progress:
    time.sleep(0.5)
    progress.update(20)
    progress.report("loss 0.5")
    time.sleep(0.2)
"""


def test_lines_off_a_terminal(in_new_process):
    process = in_new_process(PROGRAM)
    (line,) = process.stderr.splitlines()
    assert line.startswith("training: 75%  loss 0.5  ") and "images/s" in line and line.endswith("00:00 left")
    rate = int(line.split()[-4])
    assert 20 <= rate <= 40  # 20 images in 0.5 s: the 10 of an earlier session do not count.


def test_a_bar_on_a_terminal():
    parent, child = pty.openpty()
    termios.tcsetwinsize(child, (24, 120))
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stderr=child)
    os.close(child)
    shown = b""
    try:
        while chunk := os.read(parent, 4096):
            shown += chunk
    except OSError:  # How a terminal says that its other end was closed.
        pass
    assert process.wait() == 0
    assert b"training:  75%" in shown and b"30/40" in shown and b"images/s" in shown and b"loss 0.5" in shown
