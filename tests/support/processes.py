"""Commands in processes of their own, alone or as the machines of a cluster, and the variables that they save."""

import json
import os
import pathlib
import subprocess
import sys

import tensorflow as tf

from trainers.serving.model_server import free_ports

SUPPORT = pathlib.Path(__file__).parent
ROOT = SUPPORT.parents[1]
_started = []


def start(arguments, tf_config=None, limit=None):
    """Starts Python with arguments, and a `TF_CONFIG` if given; `limit` is called first in the new process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    if tf_config is not None:
        environment["TF_CONFIG"] = json.dumps(tf_config)
    command = [sys.executable, *map(str, arguments)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, preexec_fn=limit
    )
    _started.append(process)
    return process


def end_all():
    """Ends the processes that a failed test has left."""
    for process in _started:
        if process.poll() is None:
            process.kill()
            process.communicate()
    _started.clear()


def start_machines(arguments, of_second=()):
    """Starts the same command on two machines, which are processes here; returns both.

    Args:
        arguments: of Python.
        of_second: further arguments of the second machine.
    """
    machines = cluster(free_ports(2))
    tasks = [{"cluster": machines, "task": {"type": "worker", "index": i}} for i in range(2)]
    return [start([*arguments, *more], task) for task, more in zip(tasks, ([], of_second))]


def finish(*processes):
    """Waits for processes, which must succeed; returns what the first one wrote to stderr."""
    outputs = [process.communicate(timeout=1500) for process in processes]
    for process, (_, stderr) in zip(processes, outputs):
        assert process.returncode == 0, stderr
    return outputs[0][1]


def last_line(process):
    """Waits for a process, which must fail without a traceback; returns the last line of its stderr."""
    _, stderr = process.communicate(timeout=150)
    assert process.returncode == 1 and "Traceback" not in stderr, stderr
    return stderr.splitlines()[-1]


def cluster(ports):
    """Returns the `cluster` of a `TF_CONFIG` whose machines are ports of this one."""
    return {"worker": [f"127.0.0.1:{port}" for port in ports]}


def saved_variables(run_folder, part="", best=False):
    """Returns variables of a run's newest or best checkpoint, those whose names start with `part`, by their names."""
    folder = pathlib.Path(run_folder) / "checkpoints" / ("best" if best else "")
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(folder))
    names = [name for name in reader.get_variable_to_shape_map() if name.endswith("VARIABLE_VALUE")]
    # The counter of saves is not the training's.
    return {name: reader.get_tensor(name) for name in names if name.startswith(part) and "save_counter" not in name}
