"""Nothing is lost: runs that are killed, interrupted, started twice, or out of room."""

import os
import pathlib
import random
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from keras_resnets import ArgumentError
from trainers.run import Run

PROGRAM = pathlib.Path(__file__).parent / "interrupted_run.py"
ROOT = PROGRAM.parents[2]


def start(folder, steps, distribution="one_device", program=(str(PROGRAM),), limit=None):
    command = [sys.executable, *program, *map(str, (folder, steps, distribution))]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=limit,
    )


def finish(process):
    _, stderr = process.communicate(timeout=500)
    assert process.returncode == 0, stderr
    return stderr


def final_variables(folder):
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(pathlib.Path(folder) / "checkpoints"))
    names = [name for name in reader.get_variable_to_shape_map() if name.endswith("VARIABLE_VALUE")]
    return {name: reader.get_tensor(name) for name in names if "save_counter" not in name}


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
        process = start(folder, steps, distribution)
        known = wait_for_checkpoint(process, folder, known)
        assert known is not None, "the run ended before it could be killed: more steps, please"
        time.sleep(moments.uniform(0, 0.4))
        process.kill()
        process.communicate()
        known = frozenset(path.name for path in pathlib.Path(folder).glob("checkpoints/ckpt-*.index"))
        killed += 1
    finish(start(folder, steps, distribution))


@pytest.mark.parametrize(
    "kills, steps", [(2, 60), pytest.param(20, 400, marks=pytest.mark.slow)], ids=["twice", "twenty times"]
)
def test_a_killed_run_ends_with_the_weights_of_an_uninterrupted_one(kills, steps, tmp_path):
    finish(start(tmp_path / "whole", steps))
    kill_often(tmp_path / "killed", steps, "one_device", kills)
    whole, killed = final_variables(tmp_path / "whole"), final_variables(tmp_path / "killed")
    assert whole.keys() == killed.keys() and any("generators" in name for name in whole)
    assert any(name.startswith("average") for name in whole)
    for name, value in whole.items():
        np.testing.assert_array_equal(killed[name], value, err_msg=name)


@pytest.mark.slow
def test_a_killed_run_on_two_replicas_ends_with_the_same_weights_but_for_rounding(tmp_path):
    finish(start(tmp_path / "whole", 20, "mirrored"))
    kill_often(tmp_path / "killed", 20, "mirrored", kills=3)
    whole, killed = final_variables(tmp_path / "whole"), final_variables(tmp_path / "killed")
    for name, value in whole.items():
        np.testing.assert_allclose(killed[name], value, rtol=1e-3, atol=1e-3, err_msg=name)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_ends_the_run_and_another_run_waits_its_turn(number, tmp_path):
    process = start(tmp_path, 5000)
    wait_for_checkpoint(process, tmp_path)
    second = start(tmp_path, 5000)
    _, stderr = second.communicate(timeout=100)
    assert "another process is training this run: wait for it, stop it, or choose another folder" in stderr
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    last = stderr.splitlines()[-1]
    saved = tf.train.latest_checkpoint(tmp_path / "checkpoints").rpartition("-")[2]
    assert last == f"stopped at step {saved}, which is saved: the same command goes on from there"
    # The metrics are those of the saved step.
    assert Run(tmp_path).metrics()[-1]["step"] == int(saved)


def test_a_run_is_locked_while_it_is_trained(tmp_path):
    with Run(tmp_path).locked():
        with pytest.raises(ArgumentError, match="another process is training this run"):
            with Run(tmp_path).locked():
                pass
    with Run(tmp_path).locked():
        pass


def test_a_corrupt_newest_checkpoint_falls_back_to_the_one_before(tmp_path):
    finish(start(tmp_path / "run", 6))
    whole = final_variables(tmp_path / "run")
    newest = next((tmp_path / "run" / "checkpoints").glob("ckpt-6.data*"))
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 0xFF
    newest.write_bytes(content)
    stderr = finish(start(tmp_path / "run", 6))
    assert "ckpt-6 cannot be read" in stderr and f"going on from {tmp_path}/run/checkpoints/ckpt-4" in stderr
    for name, value in final_variables(tmp_path / "run").items():
        np.testing.assert_array_equal(whole[name], value, err_msg=name)


def test_a_full_disk_ends_in_one_line_and_what_was_saved_stays(tmp_path):
    program = ("-m", "trainers.classification", "--model=cifar_resnet8", "--dataset=digits", "--checkpoint_every=2")
    flags = (f"--model_dir={tmp_path / 'run'}", "--steps=200", "--batch_size=8")

    def train(limit=None):
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, *program, *flags]
        return subprocess.run(command, capture_output=True, text=True, env=environment, preexec_fn=limit)

    def small_files():  # A checkpoint of this net has 600 KB.
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))

    process = train(small_files)
    assert process.returncode == 1 and "Traceback" not in process.stderr
    assert "the checkpoint of step 2 cannot be written to" in process.stderr.splitlines()[-1]
    process = subprocess.Popen([sys.executable, *program, *flags], env={**os.environ, "PYTHONPATH": str(ROOT)})
    wait_for_checkpoint(process, tmp_path / "run")
    process.terminate()
    process.wait()
    saved = final_variables(tmp_path / "run")
    assert train(small_files).returncode == 1
    for name, value in final_variables(tmp_path / "run").items():
        np.testing.assert_array_equal(saved[name], value)
