"""Where a run's replicas are: `tf.distribute` strategies from flags and TF_CONFIG.

With several machines, every machine runs the same command with its own TF_CONFIG:

    TF_CONFIG='{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'
"""

import json
import os
import socket
import time

import tensorflow as tf

from keras_resnets import ArgumentError
from keras_resnets.errors import first_line
from trainers.runtime.choices import DISTRIBUTIONS

SECONDS_BETWEEN_CALLS = 0.5  # to a worker that does not answer yet


def make_strategy(name, *, replicas=None, tpu=None, peer_timeout=300):
    """Returns the `tf.distribute.Strategy` of a run; call it before TensorFlow has been used.

    Args:
        name: "one_device": the first GPU, or the CPU; "mirrored": all GPUs of this machine; "multi_worker": all GPUs,
            or the CPU, of each machine of TF_CONFIG; "tpu": all cores of a TPU.
        replicas: of "mirrored": the first GPUs only, or, without GPUs, so many parts of the CPU.
        tpu: of "tpu": its name or address, or "local".
        peer_timeout: seconds to wait for other machines.

    Raises:
        ArgumentError: if there are no such devices or machines, or TF_CONFIG is wrong.
    """
    if name not in DISTRIBUTIONS:
        raise ArgumentError(f"--distribution={name} is unknown: use {', '.join(DISTRIBUTIONS)}.")
    if replicas is not None and name != "mirrored":
        raise ArgumentError(f"--replicas={replicas} is for --distribution=mirrored only: leave it out.")
    if tpu is not None and name != "tpu":
        raise ArgumentError(f"--tpu={tpu} is for --distribution=tpu only: leave it out, or pass that as well.")
    if name == "mirrored":
        return tf.distribute.MirroredStrategy(_local_devices(replicas))
    if name == "multi_worker":
        cluster, task_type, index = read_tf_config(os.environ.get("TF_CONFIG"))
        meet(cluster, task_type, index, peer_timeout)
        return tf.distribute.MultiWorkerMirroredStrategy()
    if name == "tpu":
        return _tpu_strategy(tpu)
    return tf.distribute.get_strategy()


def is_chief(strategy):
    """Whether this process is the one that writes."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return True
    return resolver.task_type == "chief" or (resolver.task_id == 0 and "chief" not in resolver.cluster_spec().as_dict())


def several_machines(strategy):
    """Whether replicas are on several machines, each with a process of its own."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def one_machine(strategy, flag):
    """Raises ArgumentError if there are several machines, for what a flag asks for."""
    if several_machines(strategy):
        raise ArgumentError(f"{flag} works on one machine: leave out --distribution=multi_worker.")


def total_over_replicas(strategy):
    """Returns the function of a number of this machine's that adds it up over all replicas of all machines."""

    def add(value):
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(value))

    @tf.function
    def total(value):
        return strategy.experimental_local_results(strategy.run(add, args=(value,)))[0]

    return lambda value: total(tf.constant(value, tf.float64)).numpy()


def replica_batch(batch_size, accumulation, strategy):
    """Returns the examples of a step on one replica.

    Raises:
        ArgumentError: if the replicas cannot share `batch_size` examples in `accumulation` equal parts.
    """
    parts = strategy.num_replicas_in_sync * accumulation
    if batch_size % parts:
        each = f" in {accumulation} parts each (--accumulation)" if accumulation > 1 else ""
        nearest = max(parts, round(batch_size / parts) * parts)
        raise ArgumentError(
            f"--batch_size={batch_size} cannot be shared by {strategy.num_replicas_in_sync} replicas{each}: "
            f"use a multiple of {parts}, for example {nearest}."
        )
    return batch_size // strategy.num_replicas_in_sync


def read_tf_config(text):
    """Reads TF_CONFIG.

    Returns:
        The cluster as a dict of lists of addresses, and this machine's task type and index in it.

    Raises:
        ArgumentError: if it is not set, not JSON, or inconsistent.
    """
    example = """'{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'"""
    if not text:
        raise ArgumentError(f"--distribution=multi_worker needs TF_CONFIG, and it is not set: set it to {example}.")
    try:
        config = json.loads(text)
        cluster = {kind: list(addresses) for kind, addresses in config["cluster"].items()}
        task_type, index = config["task"]["type"], int(config["task"]["index"])
        addresses = [address for kind in cluster.values() for address in kind]
        for address in addresses:
            _host_and_port(address)
            if addresses.count(address) > 1:
                raise ValueError(f"{address} is there twice")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArgumentError(f"TF_CONFIG={text} is wrong ({error!r}): set it to something like {example}.") from error
    if task_type not in ("chief", "worker") or not 0 <= index < len(cluster.get(task_type, [])):
        raise ArgumentError(
            f"TF_CONFIG names the task {task_type} {index}, which its cluster {cluster} does not have: "
            "correct task.type (chief or worker) and task.index."
        )
    return cluster, task_type, index


def meet(cluster, task_type, index, timeout):
    """Waits until all machines of a cluster have called `meet`, at most `timeout` seconds.

    TensorFlow itself would wait for an hour, and cannot be interrupted in it.

    Raises:
        ArgumentError: if this machine's port is taken, or others do not answer, naming them.
    """
    own = cluster[task_type][index]
    waiting = [address for kind in ("chief", "worker") for address in cluster.get(kind, []) if address != own]
    deadline = time.monotonic() + timeout
    with _listen(own):
        while waiting:
            waiting = [address for address in waiting if not _answers(address)]
            if waiting and time.monotonic() > deadline:
                raise ArgumentError(
                    f"--distribution=multi_worker: no answer from {', '.join(waiting)} after {timeout:g} s: "
                    "start the same command there, check TF_CONFIG, or wait longer with --peer_timeout."
                )
            if waiting:
                time.sleep(SECONDS_BETWEEN_CALLS)


def _listen(address):
    host, port = _host_and_port(address)
    try:
        return socket.create_server(("", port), backlog=128)
    except OSError as error:
        raise ArgumentError(
            f"TF_CONFIG: port {port} of this machine ({host}) cannot be used ({error.strerror}): choose another port."
        ) from error


def _answers(address):
    try:
        socket.create_connection(_host_and_port(address), timeout=SECONDS_BETWEEN_CALLS).close()
    except OSError:
        return False
    return True


def _host_and_port(address):
    host, separator, port = address.rpartition(":")
    if not separator or not port.isdecimal():
        raise ValueError(f"{address!r} is not host:port")
    return host, int(port)


def _local_devices(replicas):
    """Returns the names of devices for replicas: GPUs, or parts of the CPU where there are none."""
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * (replicas or 1))
        return [f"CPU:{i}" for i in range(replicas or 1)]
    if replicas is not None and replicas > len(gpus):
        raise ArgumentError(f"--replicas={replicas} is more than this machine's {len(gpus)} GPUs.")
    return [f"GPU:{i}" for i in range(replicas or len(gpus))]


def _tpu_strategy(tpu):
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=tpu or "")
        address = resolver.master().removeprefix("grpc://")
        if address and not _answers(address):
            raise OSError(f"no answer from {address}")
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (tf.errors.OpError, ValueError, ImportError, OSError, RuntimeError) as error:
        reason = first_line(error)[:200]
        raise ArgumentError(
            f"--distribution=tpu --tpu={tpu or ''}: there is no such TPU ({reason}): pass the name or the address of "
            'one, "local" on its own machine, or use another --distribution.'
        ) from error
    return tf.distribute.TPUStrategy(resolver)
