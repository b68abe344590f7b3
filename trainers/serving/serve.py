"""Both servers of a service, until a signal ends them."""

import gc
import signal
import threading

from keras_resnets.errors import ArgumentError
from trainers.serving.grpc_server import start_grpc
from trainers.serving.service import Service

SECONDS_TO_FINISH = 30  # for requests that are being answered when the servers stop
GARBAGE_COLLECTION = (100_000, 50, 100)  # thresholds of `gc`


def serve(service: Service, port: int, rest_port: int) -> None:
    """Prints the ports, and serves over gRPC and REST until SIGINT or SIGTERM.

    Requests that are being answered then get their answers. A second signal ends the process at once.

    Args:
        service: a `Service`.
        port: port of localhost for gRPC; 0 for any free one.
        rest_port: likewise, for REST.

    Raises:
        ArgumentError: if a port is taken, or a package is missing.
    """
    try:
        from trainers.serving.rest_server import start_rest
    except ImportError as error:
        raise ArgumentError("a REST server needs more packages: pip install 'keras_resnets[serving]'.") from error
    grpc_server, port = start_grpc(service, port)
    rest_server, rest_port = start_rest(service, rest_port)
    # Images in JSON are millions of objects, and each collection of garbage looks at all that TensorFlow has loaded.
    gc.freeze()
    gc.set_threshold(*GARBAGE_COLLECTION)
    stop, signals = threading.Event(), (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: stop.set()) for number in signals]
    print(f"{service.name}, version {service.version}: gRPC localhost:{port}, REST localhost:{rest_port}", flush=True)
    if service.description:
        print(", ".join(f"{name}={value}" for name, value in service.description.items()), flush=True)
    stop.wait()
    for number, handler in zip(signals, before):
        signal.signal(number, handler)
    stopped = grpc_server.stop(SECONDS_TO_FINISH)
    rest_server.stop(SECONDS_TO_FINISH)
    stopped.wait()
