"""TF_CONFIG, which names the machines of a distributed training. This module does not load TensorFlow.

Several machines run the same command, each with its own TF_CONFIG:

    TF_CONFIG='{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'
"""

import json

from keras_resnets.errors import ArgumentError


def read_tf_config(text: str | None) -> tuple[dict[str, list[str]], str, int]:
    """Reads TF_CONFIG.

    Args:
        text: value of the environment variable; None if it is not set.

    Returns:
        The addresses of the cluster by task type, and this machine's task type and index.

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
            host_and_port(address)
            if addresses.count(address) > 1:
                raise ValueError(f"{address} is given twice")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArgumentError(f"TF_CONFIG={text} is wrong ({error!r}): set it to something like {example}.") from error
    if task_type not in ("chief", "worker") or not 0 <= index < len(cluster.get(task_type, [])):
        raise ArgumentError(
            f"TF_CONFIG names the task {task_type} {index}, which its cluster {cluster} does not have: "
            "correct task.type (chief or worker) and task.index."
        )
    return cluster, task_type, index


def host_and_port(address: str) -> tuple[str, int]:
    """Returns the two parts of an address "HOST:PORT"; raises ValueError for another text."""
    host, separator, port = address.rpartition(":")
    if not separator or not port.isdecimal():
        raise ValueError(f"{address!r} is not host:port")
    return host, int(port)
