"""A server with TensorFlow Serving's protocol over gRPC."""

import logging
import math
from collections.abc import Sequence
from concurrent import futures

import numpy as np
import tensorflow as tf

from keras_resnets.errors import ArgumentError
from keras_resnets.serving.predict_requests import serving_api
from trainers.serving.refusal import FAILED, Refusal, invalid
from trainers.serving.service import Service, names_text

THREADS = 16
LARGEST_FILL = 2**27  # elements of a request's inputs, where less are sent


def start_grpc(service: Service, port: int):
    """Starts a gRPC server in threads of this process.

    Args:
        service: a `Service`.
        port: port of localhost; 0 for any free one.

    Returns:
        The `grpc.Server`, and its port.

    Raises:
        ArgumentError: if the port is taken, or TensorFlow Serving's API is not installed.
    """
    service_api, request_api = serving_api("prediction_service_pb2_grpc"), serving_api("predict_pb2")
    import grpc

    class Servicer(service_api.PredictionServiceServicer):
        def Predict(self, request, context):  # noqa: N802 - the name in the protocol
            spec = request.model_spec
            version, label = (
                getattr(spec, name) if spec.HasField(name) else None for name in ("version", "version_label")
            )
            try:
                service.check(spec.name, version and version.value, label)
                outputs = service(spec.signature_name, _arrays(request.inputs))
                outputs = _filtered(outputs, request.output_filter)
            except Refusal as refusal:
                context.abort(grpc.StatusCode[refusal.code], str(refusal))
            except Exception:
                logging.exception("Predict")
                context.abort(grpc.StatusCode.INTERNAL, FAILED)
            response = request_api.PredictResponse()
            for name, value in outputs.items():
                response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
            return response

    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.server(futures.ThreadPoolExecutor(THREADS), options=[*options, ("grpc.so_reuseport", 0)])
    service_api.add_PredictionServiceServicer_to_server(Servicer(), server)
    try:
        port = server.add_insecure_port(f"localhost:{port}")
    except RuntimeError as error:
        raise ArgumentError(f"--port={port} is taken by another process: pass another one, or 0 for any.") from error
    server.start()
    return server, port


def _arrays(tensors):
    """Returns TensorProtos by name as arrays."""
    # A shape may be larger than the values that are sent: the last one is repeated. Each one takes a byte or more.
    elements = sum(math.prod(dimension.size for dimension in one.tensor_shape.dim) for one in tensors.values())
    if elements > max(LARGEST_FILL, sum(one.ByteSize() for one in tensors.values())):
        raise Refusal("RESOURCE_EXHAUSTED", f"the inputs' shapes have {elements} elements, many more than were sent")
    found = {}
    for name, tensor in tensors.items():
        try:
            found[name] = tf.make_ndarray(tensor)
        except (TypeError, ValueError) as error:
            raise invalid("tensor parsing error: ", name) from error
    return found


def _filtered(outputs: dict[str, np.ndarray], names: Sequence[str]) -> dict[str, np.ndarray]:
    """Returns the outputs that a request names; all if it names none."""
    for name in names:
        if name not in outputs:
            raise invalid(
                f"output tensor alias not found in signature: {name} Outputs expected to be in the set "
                f"{names_text(outputs)}."
            )
    return {name: outputs[name] for name in names or outputs}
