"""Nothing is lost: runs that are killed, interrupted, started twice, or out of room."""

import pathlib
import random
import signal
import subprocess
import time

import numpy as np
import pytest
import tensorflow as tf
from processes import SUPPORT, finish, last_line, saved_variables, start

from keras_resnets import ArgumentError
from trainers.engine.run_folder import RunFolder

pytestmark = pytest.mark.numerics
PROGRAM = SUPPORT / "interrupted_run.py"


def start_run(folder, steps, distribution="one_device"):
    return start([PROGRAM, folder, steps, distribution])


def wait_for_checkpoint(process, folder, other_than=frozenset()):
    """Waits until the process has saved something new; returns the names of all checkpoints, or None if it ended."""
    while process.poll() is None:
        names = {path.name for path in pathlib.Path(folder).glob("checkpoints/ckpt-*.index")}
        if names - other_than:
            return names
        time.sleep(0.01)
    return None


def kill_often(folder, steps, distribution, kills):
    """Kills a run at random moments, most of them while it saves: it saves all the time."""
    moments, known, killed = random.Random(0), frozenset(), 0
    while killed < kills:
        process = start_run(folder, steps, distribution)
        known = wait_for_checkpoint(process, folder, known)
        assert known is not None, "the run ended before it could be killed: more steps, please"
        time.sleep(moments.uniform(0, 0.4))
        process.kill()
        process.communicate()
        known = frozenset(path.name for path in pathlib.Path(folder).glob("checkpoints/ckpt-*.index"))
        killed += 1
    finish(start_run(folder, steps, distribution))


@pytest.mark.parametrize(
    "kills, steps", [(1, 30), pytest.param(20, 400, marks=pytest.mark.slow)], ids=["once", "twenty times"]
)
def test_a_killed_run_ends_with_the_weights_of_an_uninterrupted_one(kills, steps, tmp_path):
    finish(start_run(tmp_path / "whole", steps))
    kill_often(tmp_path / "killed", steps, "one_device", kills)
    whole, killed = saved_variables(tmp_path / "whole"), saved_variables(tmp_path / "killed")
    assert whole.keys() == killed.keys() and any("generators" in name for name in whole)
    assert any(name.startswith("average") for name in whole)
    for name, value in whole.items():
        np.testing.assert_array_equal(killed[name], value, err_msg=name)


@pytest.mark.slow
def test_a_killed_run_on_two_replicas_ends_with_the_same_weights_but_for_rounding(tmp_path):
    finish(start_run(tmp_path / "whole", 20, "mirrored"))
    kill_often(tmp_path / "killed", 20, "mirrored", kills=3)
    whole, killed = saved_variables(tmp_path / "whole"), saved_variables(tmp_path / "killed")
    for name, value in whole.items():
        np.testing.assert_allclose(killed[name], value, rtol=1e-3, atol=1e-3, err_msg=name)


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_saves_and_ends_the_run_and_another_run_waits_its_turn(number, tmp_path):
    process = start_run(tmp_path, 5000)
    wait_for_checkpoint(process, tmp_path)
    second = start_run(tmp_path, 5000)
    _, stderr = second.communicate(timeout=100)
    assert "another process is training this run: wait for it, stop it, or choose another folder" in stderr
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    last = stderr.splitlines()[-1]
    saved = tf.train.latest_checkpoint(tmp_path / "checkpoints").rpartition("-")[2]
    assert last == f"stopped at step {saved}, which is saved: the same command goes on from there"
    # The metrics are those of the saved step.
    assert RunFolder(tmp_path).metrics()[-1]["step"] == int(saved)


def test_a_run_is_locked_while_it_is_trained(tmp_path):
    with RunFolder(tmp_path).locked():
        with pytest.raises(ArgumentError, match="another process is training this run"):
            with RunFolder(tmp_path).locked():
                pass
    with RunFolder(tmp_path).locked():
        pass


def train_command(model_dir):
    return [
        "-m",
        "trainers.classification",
        "--model=cifar_resnet8",
        "--dataset=digits",
        f"--model_dir={model_dir}",
        "--steps=200",
        "--batch_size=8",
        "--checkpoint_every=2",
    ]


@pytest.fixture
def small_disk(tmp_path):
    """A file system in memory that is mounted for a test; a checkpoint of the run above has 600 KB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.slow
def test_a_full_disk_ends_in_one_line_and_the_run_goes_on_when_there_is_room(small_disk):
    filler = small_disk / "filler"
    with pytest.raises(OSError, match="No space left"):
        filler.write_bytes(bytes(3_000_000))
    assert "No space left" in last_line(start(train_command(small_disk / "run")))
    filler.unlink()
    for _ in range(2):
        line = last_line(start(train_command(small_disk / "run")))
        assert line.startswith("error: the checkpoint of step ") and "cannot be written to" in line
        saved_variables(small_disk / "run")
    subprocess.run(["mount", "-o", "remount,size=20m", small_disk], check=True)
    assert "going on from step" in finish(start(train_command(small_disk / "run")))


def test_a_folder_that_cannot_be_written_to_is_named(small_disk):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    line = last_line(start(train_command(small_disk / "run")))
    assert line.startswith("error: ") and "Read-only file system" in line and f"{small_disk}/run" in line
