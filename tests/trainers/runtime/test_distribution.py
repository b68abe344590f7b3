"""Replicas: the same training on one device, on two mirrored ones and on two machines (processes, here)."""

import json
import signal
import socket
import threading
import time

import numpy as np
import pytest
import tensorflow as tf
from processes import SUPPORT, cluster, finish, last_line, saved_variables, start, start_machines

from keras_resnets import ArgumentError
from trainers.runtime.distribution import make_strategy, meet, replica_batch
from trainers.runtime.tf_config import read_tf_config
from trainers.serving.model_server import free_ports

pytestmark = pytest.mark.numerics
PROGRAM = SUPPORT / "replicas.py"


# What one process trains for the quick tests; slow ones train the rest one by one.
QUICK = {
    "one_device": ["fast", "parts_average_and_l2"],
    "mirrored": ["parts_average_and_l2"],
    "multi_worker": ["fast"],
}


def train(folder, distribution, variants):
    command = [PROGRAM, folder, distribution, *variants]
    finish(*(start_machines(command) if distribution == "multi_worker" else [start(command)]))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Returns the folder of a variant's run on one device, two mirrored ones, or two machines: trained once."""
    folders = {}

    def folder(distribution, variant):
        if distribution not in folders:
            folders[distribution] = tmp_path_factory.mktemp(distribution)
            train(folders[distribution], distribution, QUICK[distribution])
        if variant not in QUICK[distribution] and not (folders[distribution] / variant).exists():
            train(folders[distribution], distribution, [variant])
        return folders[distribution] / variant

    return folder


def replicated(*variants):
    """Runs a test for each of the variants, on both kinds of replicas."""
    return pytest.mark.parametrize(
        "distribution, variant",
        [
            pytest.param(distribution, variant, marks=() if variant in QUICK[distribution] else pytest.mark.slow)
            for distribution in ("mirrored", "multi_worker")
            for variant in variants
        ],
    )


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def losses(folder):
    return np.array([line["loss"] for line in lines(folder) if "loss" in line], float)


def assert_same_model(one, other, part="model", atol=2e-5):
    expected, got = saved_variables(one, f"{part}/"), saved_variables(other, f"{part}/")
    assert expected.keys() == got.keys() and expected
    for name, value in expected.items():
        np.testing.assert_allclose(got[name], value, rtol=1e-3, atol=atol, err_msg=name)


@replicated("fast")
def test_a_fast_run_has_the_losses_of_one_device_in_its_first_steps(trained, distribution, variant):
    one, several = (losses(trained(name, variant)) for name in ("one_device", distribution))
    np.testing.assert_allclose(several[0], one[0], rtol=1e-5)
    np.testing.assert_allclose(several[1], one[1], rtol=1e-3)
    assert abs(one[0] - one[1]) > 0.01  # The first step did something.


@replicated("parts_average_and_l2", "clipping", "rematerialized")
def test_a_slow_run_is_that_of_one_device_for_ten_steps(trained, distribution, variant):
    folders = trained("one_device", variant), trained(distribution, variant)
    one, several = map(losses, folders)
    np.testing.assert_allclose(several[0], one[0], rtol=1e-5)
    np.testing.assert_allclose(several, one, rtol=1e-3)
    assert len(one) == 10
    if variant != "clipping":
        assert_same_model(*folders)
    if variant == "parts_average_and_l2":
        assert_same_model(*folders, part="average")


@pytest.mark.slow
def test_the_variants_are_different_trainings(trained):
    parts, clipping = (losses(trained("one_device", name)) for name in ("parts_average_and_l2", "clipping"))
    assert abs(parts[-1] - clipping[-1]) > 1e-3


@replicated("infinity")
def test_an_infinity_on_one_replica_leaves_the_step_out_on_all(trained, distribution, variant):
    folder = trained(distribution, variant)
    training = [line for line in lines(folder) if "loss" in line]
    assert [line["skipped"] for line in training] == [0, 1, 0, 0]
    assert training[1]["loss"] is None
    one = [line["loss"] for line in lines(trained("one_device", variant)) if "loss" in line]
    for step in (0, 2, 3):
        np.testing.assert_allclose(training[step]["loss"], one[step], rtol=5e-2)
    assert all(np.all(np.isfinite(value)) for value in saved_variables(folder, "model/").values())
    assert list(saved_variables(folder, "loss_scale/").values()) == [2.0**14]


@replicated("separate")
def test_separate_statistics_differ_in_the_loss_and_are_averaged(trained, distribution, variant):
    folders = trained("one_device", variant), trained(distribution, variant)
    one, several = map(losses, folders)
    assert abs(several[0] - one[0]) > 1e-4
    # The mean of two halves' means is the mean of the whole.
    one, several = (saved_variables(folder, "model/") for folder in folders)
    means = [name for name in one if "moving_mean" in name]
    assert len(means) == 7
    np.testing.assert_allclose(several[means[0]], one[means[0]], atol=5e-3)


@replicated("fast")
def test_evaluation_counts_every_example_once(trained, distribution, variant):
    one, several = (
        json.loads((trained(name, variant) / "predictions.json").read_text()) for name in ("one_device", distribution)
    )
    assert len(one["label"]) == len(several["label"]) == 360
    rows = [sorted(zip(table["label"], table["rank"], table["predicted"])) for table in (one, several)]
    assert np.mean(np.array(rows[0]) == np.array(rows[1])) > 0.99
    assert sorted(one["label"]) == sorted(several["label"])


def test_only_the_chief_writes(trained):
    run = trained("multi_worker", "fast")
    events = list((run / "tensorboard" / "train").iterdir())
    assert len(events) == 1
    assert [line["step"] for line in lines(run)] == [*range(1, 11), 10]


def newest_step(model_dir):
    return max((int(path.stem[5:]) for path in model_dir.glob("checkpoints/ckpt-*.index")), default=0)


def train_command(model_dir, *flags):
    return [
        "-m",
        "trainers.classification",
        "--model=cifar_resnet8",
        "--dataset=digits",
        f"--model_dir={model_dir}",
        "--distribution=multi_worker",
        *flags,
    ]


@pytest.mark.slow
def test_a_machine_that_dies_ends_the_others_with_one_line(tmp_path):
    processes = start_machines(train_command(tmp_path / "run", "--steps=5000", "--checkpoint_every=5"))
    deadline = time.monotonic() + 120
    while not list((tmp_path / "run").glob("checkpoints/ckpt-*.index")) and time.monotonic() < deadline:
        time.sleep(0.5)
    processes[1].kill()
    processes[1].communicate()
    assert last_line(processes[0]).startswith("error: another machine has stopped or cannot be reached")


@pytest.mark.slow
def test_a_signal_to_one_machine_saves_and_ends_all_and_they_go_on(tmp_path):
    steps = []
    for _ in range(2):
        processes = start_machines(train_command(tmp_path / "run", "--steps=5000", "--checkpoint_every=5"))
        while newest_step(tmp_path / "run") <= max(steps, default=0):
            assert processes[1].poll() is None, processes[1].communicate()[1]
            time.sleep(0.5)
        processes[1].send_signal(signal.SIGTERM)
        for process in processes:
            _, stderr = process.communicate(timeout=120)
            assert process.returncode == 128 + signal.SIGTERM, stderr
            assert stderr.splitlines()[-1].startswith(
                f"stopped at step {newest_step(tmp_path / 'run')}, which is saved"
            )
        steps.append(newest_step(tmp_path / "run"))
    assert steps[1] > steps[0]


@pytest.mark.slow
def test_machines_stop_together_when_their_time_or_their_patience_is_over(tmp_path):
    # Only the moving statistics change: at last, no evaluation is better than the one before.
    command = train_command(tmp_path / "run", "--steps=1000", "--batch_size=400", "--learning_rate=0", "--patience=1")
    for process in start_machines(command, of_second=["--max_hours=0"]):
        _, stderr = process.communicate(timeout=120)
        assert process.returncode == 124, stderr
        assert stderr.splitlines()[-1].startswith("stopped when --max_hours were over at step 1, which is saved")
    assert "no better result in 1 evaluations (--patience)" in finish(*start_machines(command))
    assert json.loads((tmp_path / "run" / "results.json").read_text())["last_step"] < 1000


def test_a_missing_machine_is_named_in_time(tmp_path):
    ports = free_ports(2)
    tf_config = {"cluster": cluster(ports), "task": {"type": "worker", "index": 0}}
    process = start(train_command(tmp_path / "run", "--peer_timeout=2"), tf_config)
    assert last_line(process).startswith(
        f"error: --distribution=multi_worker: no answer from 127.0.0.1:{ports[1]} after 2 s: start the same command"
    )
    assert not (tmp_path / "run").exists()


def test_machines_meet_when_the_last_one_has_come():
    machines = cluster(free_ports(3))
    arrived = []

    def arrive(index, delay):
        time.sleep(delay)
        meet(machines, "worker", index, timeout=20)
        arrived.append((index, time.monotonic() - began))

    began = time.monotonic()
    # One that has left again, to train, would be answered by TensorFlow on the same port.
    threads = [threading.Thread(target=arrive, args=(i, delay)) for i, delay in enumerate([0, 0])]
    for thread in threads:
        thread.start()
    time.sleep(2)
    assert not arrived
    with socket.create_server(("", int(machines["worker"][2].rpartition(":")[2]))):
        for thread in threads:
            thread.join()
    assert len(arrived) == 2 and all(seconds > 1.9 for _, seconds in arrived)


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ArgumentError, match=f"port {port} of this machine .* choose another port"):
            meet(cluster([port]), "worker", 0, timeout=1)


@pytest.mark.parametrize(
    "text, message",
    [
        (None, "needs TF_CONFIG, and it is not set: set it to"),
        ("{", "TF_CONFIG={ is wrong .* set it to something like"),
        ("[]", "is wrong"),
        ('{"cluster": {"worker": ["a"]}, "task": {"type": "worker", "index": 0}}', "'a' is not host:port"),
        ('{"cluster": {"worker": ["a:1", "a:1"]}, "task": {"type": "worker", "index": 1}}', "a:1 is given twice"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}', "names the task worker 1, which"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "ps", "index": 0}}', "names the task ps 0, which"),
    ],
)
def test_a_wrong_tf_config_is_explained(text, message):
    with pytest.raises(ArgumentError, match=message):
        read_tf_config(text)


def test_tf_config_is_read():
    text = '{"cluster": {"chief": ["a:1"], "worker": ["b:2", "c:3"]}, "task": {"type": "worker", "index": "1"}}'
    assert read_tf_config(text) == ({"chief": ["a:1"], "worker": ["b:2", "c:3"]}, "worker", 1)


def test_batches_that_cannot_be_shared():
    strategy = tf.distribute.get_strategy()
    assert replica_batch(12, 3, strategy) == 12
    with pytest.raises(
        ArgumentError, match="--batch_size=10 cannot be shared by 1 replicas in 4 parts each .--accumulation.: .* 8"
    ):
        replica_batch(10, 4, strategy)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"name": "horovod"}, "--distribution=horovod is unknown: use one_device, mirrored, multi_worker, tpu"),
        ({"name": "tpu"}, "--distribution=tpu --tpu=: there is no such TPU"),
        ({"name": "tpu", "tpu": "grpc://127.0.0.1:1"}, "there is no such TPU .no answer from 127.0.0.1:1"),
    ],
)
def test_strategies_that_there_are_not(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        make_strategy(**arguments)
