"""A service for one export, and its servers with TensorFlow Serving's protocols, gRPC and REST."""

import base64
import json
import re
import signal
import threading
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import tensorflow as tf

from keras_resnets.errors import ArgumentError, first_line
from keras_resnets.serving import SavedModelSession
from keras_resnets.serving.predict_requests import arrays, serving_api

THREADS = 16  # of the gRPC server
DEFAULT_SIGNATURE = "serving_default"
HTTP_STATUS = {"INVALID_ARGUMENT": 400, "NOT_FOUND": 404, "FAILED_PRECONDITION": 412}
PATH = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d+))?(:predict)?")


class Refusal(Exception):
    """A request that is answered with an error.

    Attributes:
        code: name of gRPC's status code, a key of `HTTP_STATUS`.
    """

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


class Service:
    """Answers requests for one version of one export.

    Args:
        export: folder of a version, or of all versions, of which the highest is served.
        name: the export's name in requests; None for the name of the folder of all versions.

    Attributes:
        name: the export's name in requests.
        version: the version that is served.
    """

    def __init__(self, export: str, name: str | None = None):
        self._session = SavedModelSession(export)
        self.version = int(self._session.path.name) if self._session.path.name.isdigit() else 1
        self.name = name or self._session.path.resolve().parent.name

    def check(self, name: str, version: int | None) -> None:
        """Raises Refusal unless the name and the version, or None for any version, are those that are served."""
        if name != self.name or version not in (None, self.version):
            raise Refusal("NOT_FOUND", f"Servable not found for request: {name}, version {version or 'any'}")

    def input_types(self, signature: str | None) -> dict[str, type]:
        """Returns the NumPy types of a signature's inputs; none for an unknown signature."""
        definition = self._session.signatures.get(signature or DEFAULT_SIGNATURE)
        inputs = {} if definition is None else definition.inputs
        return {key: tf.as_dtype(info.dtype).as_numpy_dtype for key, info in inputs.items()}

    def __call__(
        self, name: str, version: int | None, signature: str | None, inputs: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Answers a request.

        Args:
            name: name of the model.
            version: version of the model, or None for any.
            signature: name of the signature; None or "" for `DEFAULT_SIGNATURE`.
            inputs: the signature's inputs by their names.

        Returns:
            The signature's outputs by their names.

        Raises:
            Refusal: if the model or the signature is unknown, or the inputs do not fit.
        """
        self.check(name, version)
        signature = signature or DEFAULT_SIGNATURE
        if signature not in self._session.signatures:
            raise Refusal("FAILED_PRECONDITION", f'Serving signature key "{signature}" not found.')
        try:
            return self._session(signature, **inputs)
        except (ArgumentError, ValueError, TypeError, tf.errors.InvalidArgumentError) as error:
            raise Refusal("INVALID_ARGUMENT", first_line(str(error))) from error


def serve(service: Service, port: int, rest_port: int) -> None:
    """Prints the ports, and serves over gRPC and REST until SIGINT or SIGTERM.

    Args:
        service: a `Service`.
        port: port of localhost for gRPC; 0 for any free one.
        rest_port: likewise, for REST.

    Raises:
        ArgumentError: if TensorFlow Serving's API is not installed.
    """
    grpc_server, port = start_grpc(service, port)
    rest_server, rest_port = start_rest(service, rest_port)
    print(f"{service.name}, version {service.version}: gRPC localhost:{port}, REST localhost:{rest_port}", flush=True)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
    rest_server.shutdown()
    grpc_server.stop(None)


def start_grpc(service: Service, port: int):
    """Starts a gRPC server in threads of this process.

    Args:
        service: a `Service`.
        port: port of localhost; 0 for any free one.

    Returns:
        The `grpc.Server`, and its port.

    Raises:
        ArgumentError: if TensorFlow Serving's API is not installed.
    """
    service_api, request_api = serving_api("prediction_service_pb2_grpc"), serving_api("predict_pb2")
    import grpc

    class Servicer(service_api.PredictionServiceServicer):
        def Predict(self, request, context):  # noqa: N802 - the name in the protocol
            spec = request.model_spec
            version = spec.version.value if spec.HasField("version") else None
            try:
                outputs = service(spec.name, version, spec.signature_name, arrays(request.inputs))
            except Refusal as refusal:
                context.abort(grpc.StatusCode[refusal.code], str(refusal))
            response = request_api.PredictResponse()
            for name, value in outputs.items():
                response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
            return response

    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.server(futures.ThreadPoolExecutor(THREADS), options=options)
    service_api.add_PredictionServiceServicer_to_server(Servicer(), server)
    port = server.add_insecure_port(f"localhost:{port}")
    server.start()
    return server, port


def start_rest(service: Service, port: int) -> tuple[ThreadingHTTPServer, int]:
    """Starts a REST server in threads of this process.

    Args:
        service: a `Service`.
        port: port of localhost; 0 for any free one.

    Returns:
        The server, and its port.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802 - the name in http.server
            self._reply(lambda name, version: _status(service))

        def do_POST(self):  # noqa: N802
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._reply(lambda name, version: _predicted(service, name, version, body))

        def _reply(self, answer):
            match = PATH.fullmatch(self.path)
            try:
                if match is None:
                    raise Refusal("NOT_FOUND", f"Malformed request: {self.path}")
                version = match[2] and int(match[2])
                service.check(match[1], version)
                status, content = 200, answer(match[1], version)
            except Refusal as refusal:
                status, content = HTTP_STATUS[refusal.code], {"error": str(refusal)}
            content = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("localhost", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, server.server_address[1]


def _status(service):
    """Returns the answer to a request for the model's status."""
    status = {
        "version": str(service.version),
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }
    return {"model_version_status": [status]}


def _predicted(service, name, version, body):
    """Returns the answer to a request for a prediction, in columns."""
    try:
        request = json.loads(body)
        signature = request.get("signature_name")
        types = service.input_types(signature)
        inputs = {key: _input(value, types.get(key)) for key, value in request["inputs"].items()}
    except (ValueError, OverflowError, KeyError, TypeError, AttributeError) as error:
        raise Refusal("INVALID_ARGUMENT", f"JSON Parse error: {error!r}") from error
    outputs = {key: _output(value) for key, value in service(name, version, signature, inputs).items()}
    return {"outputs": outputs if len(outputs) > 1 else next(iter(outputs.values()))}


def _input(value, dtype):
    """Returns an input as an array: of `bytes` for a list of {"b64": ...}, otherwise of its type."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return np.array([base64.b64decode(entry["b64"]) for entry in value], object)
    return np.array(value, dtype)


def _output(value):
    """Returns an output as lists; strings are UTF-8."""
    texts = value.dtype == object
    return np.char.decode(value.astype(bytes), "utf-8").tolist() if texts else value.tolist()
