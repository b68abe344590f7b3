"""Starting a server for an export: TensorFlow Serving if it is installed, else `trainers.prediction_service`."""

import contextlib
import dataclasses
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from keras_resnets import ArgumentError
from keras_resnets.serving.versions import resolve

PROGRAM = "tensorflow_model_server"
SECONDS_TO_START = 300


def find_model_server():
    """Returns the path of TensorFlow Serving's binary, of TF_MODEL_SERVER or on the PATH, or None."""
    return os.environ.get("TF_MODEL_SERVER") or shutil.which(PROGRAM)


@dataclasses.dataclass(frozen=True)
class Server:
    """A server that runs.

    Attributes:
        name: what it calls the export.
        address: of gRPC, "localhost:PORT".
        rest_address: of REST.
        process: its process's number.
    """

    name: str
    address: str
    rest_address: str
    process: int


@contextlib.contextmanager
def model_server(export):
    """Serves an export while a `with` statement lasts.

    Args:
        export: the folder of all versions, or of one.

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
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=pathlib.Path(__file__).parents[2])
        try:
            _wait(process, f"http://localhost:{rest_port}/v1/models/{name}", log)
            yield Server(name, f"localhost:{port}", f"localhost:{rest_port}", process.pid)
        finally:
            process.terminate()
            process.wait()


def _wait(process, address, log):
    """Waits until the server says that the model is available."""
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            if b"AVAILABLE" in urllib.request.urlopen(address).read():
                return
        time.sleep(0.2)
    log.seek(0)
    raise ArgumentError(f"{process.args[0]} does not serve {address}: {log.read().strip()[-500:]}")


def free_ports(count):
    """Returns so many ports that nobody listens at."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("", 0))) for _ in range(count)]
        return [entry.getsockname()[1] for entry in sockets]
