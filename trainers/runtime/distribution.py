"""`tf.distribute` strategies from flags and TF_CONFIG."""

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from keras_resnets.errors import ArgumentError, first_line
from trainers.runtime.choices import DISTRIBUTIONS
from trainers.runtime.tf_config import host_and_port, read_tf_config

SECONDS_BETWEEN_CALLS = 0.5  # to a machine that does not answer yet


def make_strategy(
    name: str, *, replicas: int | None = None, tpu: str | None = None, peer_timeout: float = 300
) -> tf.distribute.Strategy:
    """Returns the strategy of a run; it must be called before TensorFlow is used.

    Args:
        name: "one_device": the first GPU, or the CPU; "mirrored": the GPUs of this machine; "multi_worker": the GPUs,
            or the CPU, of each machine in TF_CONFIG; "tpu": all cores of a TPU.
        replicas: GPUs for "mirrored", None for all; without a GPU, virtual CPU devices, None for one. Other strategies
            ignore it.
        tpu: name or address of the TPU for "tpu", or "local". Other strategies ignore it.
        peer_timeout: seconds to wait for the other machines of "multi_worker". Other strategies ignore it.

    Raises:
        ArgumentError: if there are no such devices or machines, or TF_CONFIG is wrong.
    """
    if name not in DISTRIBUTIONS:
        raise ArgumentError(f"--distribution={name} is unknown: use {', '.join(DISTRIBUTIONS)}.")
    if name == "mirrored":
        return tf.distribute.MirroredStrategy(_local_devices(replicas))
    if name == "multi_worker":
        cluster, task_type, index = read_tf_config(os.environ.get("TF_CONFIG"))
        meet(cluster, task_type, index, peer_timeout)
        return tf.distribute.MultiWorkerMirroredStrategy()
    if name == "tpu":
        return _tpu_strategy(tpu)
    return tf.distribute.get_strategy()


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes the files of a run; one of several machines does."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return True
    return resolver.task_type == "chief" or (resolver.task_id == 0 and "chief" not in resolver.cluster_spec().as_dict())


def several_machines(strategy: tf.distribute.Strategy) -> bool:
    """Whether the replicas are on several machines, each with its own process."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def one_machine(strategy: tf.distribute.Strategy, flag: str) -> None:
    """Raises ArgumentError for a flag that does not work with several machines, if there are several."""
    if several_machines(strategy):
        raise ArgumentError(f"{flag} works on one machine: leave out --distribution=multi_worker.")


def total_over_replicas(strategy: tf.distribute.Strategy) -> Callable[[float], float]:
    """Returns a function that sums a number of each machine over all replicas."""

    def add(value):
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(value))

    @tf.function
    def total(value):
        return strategy.experimental_local_results(strategy.run(add, args=(value,)))[0]

    return lambda value: total(tf.constant(value, tf.float64)).numpy()


def replica_batch(batch_size: int, accumulation: int, strategy: tf.distribute.Strategy) -> int:
    """Returns the number of examples of a step on one replica.

    Raises:
        ArgumentError: if `batch_size` is not a multiple of `accumulation` times the number of replicas.
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


def meet(cluster: Mapping[str, Sequence[str]], task_type: str, index: int, timeout: float) -> None:
    """Waits until all machines of a cluster have called `meet`, at most `timeout` seconds.

    TensorFlow would wait for an hour, and could not be interrupted.

    Args:
        cluster: addresses of the machines by task type.
        task_type: of this machine.
        index: of this machine among those of its task type.
        timeout: in seconds.

    Raises:
        ArgumentError: if this machine's port is taken, or other machines, which it names, do not answer.
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
    host, port = host_and_port(address)
    try:
        return socket.create_server(("", port), backlog=128)
    except OSError as error:
        raise ArgumentError(
            f"TF_CONFIG: port {port} of this machine ({host}) cannot be used ({error.strerror}): choose another port."
        ) from error


def _answers(address):
    try:
        socket.create_connection(host_and_port(address), timeout=SECONDS_BETWEEN_CALLS).close()
    except OSError:
        return False
    return True


def _local_devices(replicas):
    """Returns the names of the replicas' devices: GPUs, or virtual CPU devices on a machine without a GPU."""
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
