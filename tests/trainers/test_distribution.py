"""Replicas: the same training on one device, on two mirrored ones and on two machines (processes, here)."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from keras_resnets import ArgumentError
from trainers.distribution import make_strategy, meet, read_tf_config, replica_batch

PROGRAM = pathlib.Path(__file__).parent / "replicas.py"
ROOT = PROGRAM.parents[2]


def free_ports(count):
    sockets = [socket.create_server(("", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def cluster(ports):
    return {"worker": [f"127.0.0.1:{port}" for port in ports]}


def start(arguments, tf_config=None):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    if tf_config is not None:
        environment["TF_CONFIG"] = json.dumps(tf_config)
    command = [sys.executable, *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def start_machines(arguments):
    machines = cluster(free_ports(2))
    return [start(arguments, {"cluster": machines, "task": {"type": "worker", "index": i}}) for i in range(2)]


def finish(processes):
    outputs = [process.communicate(timeout=550) for process in processes]
    for process, (_, stderr) in zip(processes, outputs):
        assert process.returncode == 0, stderr
    return outputs


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Runs of all variants in three folders: on one device, two mirrored ones, two machines."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ("one_device", "mirrored", "multi_worker")}
    for name in ("one_device", "mirrored"):
        finish([start([PROGRAM, folders[name], name])])
    finish(start_machines([PROGRAM, folders["multi_worker"], "multi_worker"]))
    return folders


def lines(folder, variant):
    return [json.loads(line) for line in (folder / variant / "metrics.jsonl").read_text().splitlines()]


def losses(folder, variant):
    return np.array([line["loss"] for line in lines(folder, variant) if "loss" in line], float)


def variables(folder, variant, part):
    path = tf.train.latest_checkpoint(folder / variant / "checkpoints")
    reader = tf.train.load_checkpoint(path)
    names = [name for name in reader.get_variable_to_shape_map() if name.startswith(f"{part}/") and "VALUE" in name]
    return {name: reader.get_tensor(name) for name in names}


def assert_same_model(one, other, variant, part="model", atol=2e-5):
    expected, got = variables(one, variant, part), variables(other, variant, part)
    assert expected.keys() == got.keys() and expected
    for name, value in expected.items():
        np.testing.assert_allclose(got[name], value, rtol=1e-3, atol=atol, err_msg=name)


replicated = pytest.mark.parametrize("distribution", ["mirrored", "multi_worker"])


@replicated
def test_a_fast_run_has_the_losses_of_one_device_in_its_first_steps(folders, distribution):
    one, several = (losses(folders[name], "fast") for name in ("one_device", distribution))
    np.testing.assert_allclose(several[0], one[0], rtol=1e-5)
    np.testing.assert_allclose(several[1], one[1], rtol=1e-3)
    assert abs(one[0] - one[1]) > 0.01  # The first step did something.


@replicated
@pytest.mark.parametrize("variant", ["l2", "accumulation", "clipping", "average"])
def test_a_slow_run_is_that_of_one_device_for_ten_steps(folders, distribution, variant):
    one, several = (losses(folders[name], variant) for name in ("one_device", distribution))
    np.testing.assert_allclose(several[0], one[0], rtol=1e-5)
    np.testing.assert_allclose(several, one, rtol=1e-3)
    assert len(one) == 10
    if variant != "clipping":
        assert_same_model(folders["one_device"], folders[distribution], variant)
    if variant == "average":
        assert_same_model(folders["one_device"], folders[distribution], variant, part="average")


def test_the_variants_are_different_trainings(folders):
    runs = {variant: losses(folders["one_device"], variant) for variant in ("l2", "accumulation", "clipping")}
    assert all(abs(a[-1] - b[-1]) > 1e-3 for a in runs.values() for b in runs.values() if a is not b)


@replicated
def test_an_infinity_on_one_replica_leaves_the_step_out_on_all(folders, distribution):
    for variant, rtol in [("infinity", 1e-3), ("loss_scale", 5e-2)]:
        training = [line for line in lines(folders[distribution], variant) if "loss" in line]
        assert [line["skipped"] for line in training] == [0, 1, 0, 0]
        assert training[1]["loss"] is None
        one = [line["loss"] for line in lines(folders["one_device"], variant) if "loss" in line]
        for step in (0, 2, 3):
            np.testing.assert_allclose(training[step]["loss"], one[step], rtol=rtol)
        values = variables(folders[distribution], variant, "model").values()
        assert all(np.all(np.isfinite(value)) for value in values)
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(folders[distribution] / "loss_scale" / "checkpoints"))
    assert reader.get_tensor("loss_scale/.ATTRIBUTES/VARIABLE_VALUE") == 2.0**14


@replicated
def test_separate_statistics_differ_in_the_loss_and_agree_in_the_end(folders, distribution):
    one, several = (losses(folders[name], "separate") for name in ("one_device", distribution))
    assert abs(several[0] - one[0]) > 1e-4
    np.testing.assert_allclose(several[0], one[0], rtol=0.2)


@replicated
def test_evaluation_counts_every_example_once(folders, distribution):
    one, several = (
        json.loads((folders[name] / "fast" / "predictions.json").read_text()) for name in ("one_device", distribution)
    )
    assert len(one["label"]) == len(several["label"]) == 360
    rows = [sorted(zip(table["label"], table["rank"], table["predicted"])) for table in (one, several)]
    assert np.mean(np.array(rows[0]) == np.array(rows[1])) > 0.99
    assert sorted(one["label"]) == sorted(several["label"])


def test_only_the_chief_writes(folders):
    run = folders["multi_worker"] / "fast"
    events = list((run / "tensorboard" / "train").iterdir())
    assert len(events) == 1
    steps = [line["step"] for line in lines(folders["multi_worker"], "fast")]
    assert steps == [*range(1, 11), 10]


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


def test_a_machine_that_dies_ends_the_others_with_one_line(tmp_path):
    processes = start_machines(train_command(tmp_path / "run", "--steps=5000", "--checkpoint_every=5"))
    deadline = time.monotonic() + 120
    while not list((tmp_path / "run").glob("checkpoints/ckpt-*.index")) and time.monotonic() < deadline:
        time.sleep(0.5)
    processes[1].kill()
    processes[1].communicate()
    _, stderr = processes[0].communicate(timeout=120)
    assert processes[0].returncode == 1
    assert stderr.splitlines()[-1].startswith("error: another machine has stopped or cannot be reached")
    assert "Traceback" not in stderr


def test_a_missing_machine_is_named_in_time(tmp_path):
    ports = free_ports(2)
    tf_config = {"cluster": cluster(ports), "task": {"type": "worker", "index": 0}}
    process = start(train_command(tmp_path / "run", "--peer_timeout=2"), tf_config)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1 and not (tmp_path / "run").exists()
    assert stderr.splitlines()[-1].startswith(
        f"error: --distribution=multi_worker: no answer from 127.0.0.1:{ports[1]} after 2 s: start the same command"
    )


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
    with pytest.raises(ArgumentError, match="--batch_size=10 cannot be shared by 1 replicas in 4 parts each: .* 8"):
        replica_batch(10, 4, strategy)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"name": "horovod"}, "--distribution=horovod is unknown: use one_device, mirrored, multi_worker, tpu"),
        ({"name": "tpu"}, "--distribution=tpu --tpu=: there is no such TPU"),
        ({"name": "tpu", "tpu": "grpc://127.0.0.1:1"}, "there is no such TPU .no answer from 127.0.0.1:1"),
        ({"name": "one_device", "tpu": "local"}, "--tpu=local is for --distribution=tpu only"),
        ({"name": "one_device", "replicas": 2}, "--replicas=2 is for --distribution=mirrored only"),
    ],
)
def test_strategies_that_there_are_not(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        make_strategy(**arguments)
