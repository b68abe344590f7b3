"""Serves an export as TensorFlow Serving does, to try it without that server.

python -m trainers.prediction_service --export=saved_models/cifar_resnet20_digits

It has the protocols gRPC and REST, with that server's forms of requests and its errors. It answers in a TensorFlow
session, one version of one export, without batching, and needs keras_resnets[serving]. In production, run TensorFlow
Serving.
"""

from absl import flags

from keras_resnets.serving.versions import resolve
from trainers.flags import command


def _define_flags():
    flags.DEFINE_string("export", None, "Folder of an export's version, or of all versions.", required=True)
    flags.DEFINE_string("name", None, "Name of the export for clients; default: the folder's name.")
    flags.DEFINE_integer("port", 8500, "Port for gRPC; 0 for any free one.", lower_bound=0)
    flags.DEFINE_integer("rest_port", 8501, "Port for REST; 0 for any free one.", lower_bound=0)


def _check():
    resolve(flags.FLAGS.export)


def _main():
    from trainers.serving.serve import serve
    from trainers.serving.service import Service

    options = flags.FLAGS
    serve(Service(options.export, options.name), options.port, options.rest_port)


def run():
    """Entry point of the command."""
    command.run(_main, _define_flags, _check)


if __name__ == "__main__":
    run()
