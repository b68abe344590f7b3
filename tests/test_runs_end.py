"""A test run always ends: a worker that dies, or a test that hangs, is one failed test."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]
TESTS = """
import ctypes, os, pathlib, signal, subprocess


def leave_a_process():
    process = subprocess.Popen(["sleep", "1000"])
    pathlib.Path(f"left_{process.pid}").touch()


def test_worker_killed():
    leave_a_process()
    os.write(2, b"last words of C++ code")
    os.kill(os.getpid(), signal.SIGKILL)


def test_between():
    pass


def test_hangs_in_c():
    leave_a_process()
    ctypes.PyDLL(None).sleep(1000)  # holds the interpreter's lock
"""


def is_running(pid):
    try:
        return "Z" not in pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    except FileNotFoundError:
        return False


def test_a_killed_worker_and_a_test_that_hangs_are_one_failure_each(tmp_path):
    (tmp_path / "test_run.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-n", "2", "-c", ROOT / "setup.cfg", "--rootdir", tmp_path, "-rfp"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    process = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-o", "faulthandler_timeout=2", tmp_path],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        timeout=100,
    )
    lines = process.stdout.splitlines()
    outcomes = {line.split(" - ")[0] for line in lines if line.startswith(("PASSED ", "FAILED "))}
    assert outcomes == {
        "FAILED test_run.py::test_worker_killed",
        "PASSED test_run.py::test_between",
        "FAILED test_run.py::test_hangs_in_c",
    }, process.stdout
    assert process.returncode == 1 and "2 failed, 1 passed" in lines[-1]
    for part in ("last words of C++ code", "Timeout (0:00:02)!", "in test_hangs_in_c"):
        assert part in process.stderr
    left = [path.name.removeprefix("left_") for path in tmp_path.glob("left_*")]
    assert len(left) == 2 and not any(map(is_running, left))
