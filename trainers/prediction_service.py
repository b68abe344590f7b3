"""A small server with TensorFlow Serving's protocols, gRPC and REST, to try an export and a client without its binary.

python -m trainers.prediction_service --export=saved_models/cifar_resnet20_digits

It answers in a TensorFlow session, one version of one export, without batching. In production, run TensorFlow Serving.
"""

import signal
import sys
import threading

from absl import flags

from trainers.flags import command
from trainers.serving.service import Service, start_grpc, start_rest


def _define_flags():
    flags.DEFINE_string("export", None, "The folder of an export's version, or of all versions.", required=True)
    flags.DEFINE_string("name", None, "What clients call it; default: the folder's name.")
    flags.DEFINE_integer("port", 8500, "Of gRPC; 0 for any free one.", lower_bound=0)
    flags.DEFINE_integer("rest_port", 8501, "Of REST; 0 for any free one.", lower_bound=0)


def _main(arguments):
    command.no_arguments(arguments)
    options = flags.FLAGS
    service = Service(options.export, options.name)
    grpc_server, port = start_grpc(service, options.port)
    rest_server, rest_port = start_rest(service, options.rest_port)
    print(f"{service.name}, version {service.version}: gRPC localhost:{port}, REST localhost:{rest_port}", flush=True)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
    rest_server.shutdown()
    grpc_server.stop(None)
    sys.exit(0)


def run():
    """Entry point of the command."""
    command.run(_main, _define_flags)


if __name__ == "__main__":
    run()
