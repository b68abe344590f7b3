"""The start of a command, in a new process: none of TensorFlow's lines on stderr, unless something fails."""

import functools
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import pytest

from trainers.data.sample_files import write_digits

ROOT = pathlib.Path(__file__).parents[3]
EXPORT = ROOT / "saved_models" / "cifar_resnet20_digits"
# Its flags are right, but there is nothing to report on.
COMMAND = ["-m", "trainers.reproduce", "--report", "--output=/nowhere"]
# As TensorFlow 2.21 and 2.20 write them.
HELD_BACK = """WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1700000000.000000    1234 port.cc:153] oneDNN custom operations are on.
2023-11-14 22:13:20.000000: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.
"""


def run(*arguments, folder=ROOT):
    """Runs Python with modules of a folder before all others; returns the finished process."""
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    environment["PYTHONIOENCODING"] = "utf-8:strict"  # as in most locales
    environment["PYTHONPATH"] = f"{folder}{os.pathsep}{ROOT}"
    command = [sys.executable, *map(str, arguments)]
    # A shell makes what it starts in the background ignore SIGINT, these tests too.
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, preexec_fn=heed)


def test_a_user_sees_our_lines_only(tmp_path):
    write_digits(tmp_path)
    shutil.copy(tmp_path / "7" / "0.png", os.fsencode(tmp_path / "7") + b"/\xe9.png")
    process = run("-m", "trainers.predict", f"--export={EXPORT}", tmp_path / "7")
    assert process.returncode == 0 and "7/0.png  7 9" in process.stdout and r"7/\udce9.png  7 9" in process.stdout
    assert process.stderr == ""


def test_tensorflow_is_heard_with_v():
    process = run(*COMMAND, "-v=1")
    assert process.returncode == 1 and "error: --output=/nowhere holds no complete" in process.stderr
    assert "oneDNN" in process.stderr or "cpu_feature_guard" in process.stderr


@pytest.fixture
def start(tmp_path):
    """Runs a start with a TensorFlow of the test's, which writes `HELD_BACK` and then does what it is told to."""

    def run_start(program, *arguments):
        (tmp_path / "tensorflow.py").write_text(f"import os, sys\nos.write(2, {HELD_BACK.encode()})\n{program}\n")
        return run(*(arguments or COMMAND), folder=tmp_path)

    return run_start


@pytest.mark.parametrize(
    "program, status, end",
    [
        ("raise ImportError('libtensorflow is damaged')", 1, "ImportError: libtensorflow is damaged\n"),
        ("sys.exit(3)", 3, ""),
        ("os.abort()", -signal.SIGABRT, "Fatal Python error: Aborted"),
        ("os.kill(os.getpid(), 9)", -signal.SIGKILL, ""),
        (
            "import time; os.kill(os.getpid(), 2); time.sleep(60)",
            128 + signal.SIGINT,
            "interrupted: the same command goes on from what is saved",
        ),
        (
            "import time; os.kill(os.getpid(), 15); time.sleep(60)",
            128 + signal.SIGTERM,
            "interrupted: the same command goes on from what is saved",
        ),
    ],
)
def test_a_start_that_fails_shows_all(program, status, end, start):
    process = start(program)
    assert process.returncode == status
    assert process.stderr.startswith(HELD_BACK) and end in process.stderr


def test_ctrl_c_during_the_fork_is_not_lost(start, tmp_path):
    hook = "os.register_at_fork(before=lambda: signal.raise_signal(signal.SIGINT))"
    (tmp_path / "sitecustomize.py").write_text(f"import os, signal\n{hook}\n")
    process = start("sys.exit(3)")
    assert process.returncode == 128 + signal.SIGINT
    assert "interrupted: the same command goes on from what is saved" in process.stderr


# Enough for the start of a command; Keras cannot be imported then.
WELL = "import types; config = types.SimpleNamespace(list_physical_devices=lambda kind: [])"


def test_what_is_not_of_every_start_is_shown(start):
    error = "E0000 00:00:1700000000.000000    1234 cuda_platform.cc:52] failed call to cuInit: {}\n"
    missing, broken = error.format("UNKNOWN ERROR (303)"), error.format("CUDA_ERROR_SYSTEM_DRIVER_MISMATCH")
    process = start(f"os.write(2, {(missing + broken).encode()}); print('a warning', file=sys.stderr); {WELL}")
    assert process.stderr.startswith(f"{broken}a warning\nTraceback ")


def test_console_scripts_are_quiet(start, tmp_path):
    script = tmp_path / "keras-resnets-reproduce"
    script.write_text("from trainers.reproduce import run\nrun()")
    process = start(WELL, script, "--report", "--output=/nowhere")
    assert process.stderr.startswith("Traceback ")


def test_other_scripts_are_left_alone(start, tmp_path):
    script = tmp_path / "my_script.py"
    script.write_text("import sys, trainers, tensorflow; print('ours', file=sys.stderr)")
    assert start(WELL, script).stderr == f"{HELD_BACK}ours\n"


def test_a_package_that_imports_trainers_is_left_alone(start, tmp_path):
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "__init__.py").write_text("import trainers")
    (tmp_path / "user" / "program.py").write_text("print('theirs')")
    process = start("os.abort()", "-m", "user.program")
    assert (process.returncode, process.stdout, process.stderr) == (0, "theirs\n", "")
