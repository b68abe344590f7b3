"""A server for an export in a process of its own: TensorFlow Serving or, without it, `trainers.prediction_service`."""

import contextlib
import dataclasses
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

from keras_resnets.errors import ArgumentError
from keras_resnets.serving.versions import resolve

PROGRAM = "tensorflow_model_server"
SECONDS_TO_START = 300


def find_model_server() -> str | None:
    """Returns the path of TensorFlow Serving's binary, from TF_MODEL_SERVER or the PATH, or None."""
    return os.environ.get("TF_MODEL_SERVER") or shutil.which(PROGRAM)


@dataclasses.dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        name: the export's name in requests.
        address: "localhost:PORT" of gRPC.
        rest_address: "localhost:PORT" of REST.
        process: the server's process ID.
    """

    name: str
    address: str
    rest_address: str
    process: int


@contextlib.contextmanager
def model_server(export: str | os.PathLike) -> Iterator[Server]:
    """Context manager that serves an export.

    Args:
        export: folder of a version, or of all versions.

    Yields:
        A `Server`.

    Raises:
        ArgumentError: if the server does not start.
    """
    version = resolve(export).resolve()
    name, (port, rest_port) = version.parent.name, free_ports(2)
    binary = find_model_server()
    if binary is None:
        command = [sys.executable, "-m", "trainers.prediction_service", f"--export={version}", f"--name={name}"]
        command += [f"--port={port}", f"--rest_port={rest_port}"]
    else:
        command = [binary, f"--model_name={name}", f"--model_base_path={version.parent}"]
        command += [f"--port={port}", f"--rest_api_port={rest_port}"]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _wait(process, f"http://localhost:{rest_port}/v1/models/{name}", log)
            yield Server(name, f"localhost:{port}", f"localhost:{rest_port}", process.pid)
        finally:
            process.terminate()
            process.wait()


def _wait(process, address, log):
    """Waits until the server reports that the model is available."""
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            if b"AVAILABLE" in urllib.request.urlopen(address).read():
                return
        time.sleep(0.2)
    log.seek(0)
    raise ArgumentError(f"{process.args[0]} does not serve {address}: {log.read().strip()[-500:]}")


def free_ports(count: int) -> list[int]:
    """Returns ports that no process listens on."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("", 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in servers]
