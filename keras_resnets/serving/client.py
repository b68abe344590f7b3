"""Asking a server, TensorFlow Serving's `tensorflow_model_server` or another one with its protocol.

A client is called as a `SavedModelSession` is:
`GrpcClient("localhost:8500", "resnet50")("image_bytes", image_bytes=[...])`.
"""

import base64
import time

import numpy as np

from keras_resnets.errors import ArgumentError

FIRST_PAUSE = 0.2  # seconds before the first retry; each further one doubles it
UNAVAILABLE = "UNAVAILABLE"
# What TensorFlow Serving makes of its errors over REST (google.rpc.Code).
HTTP_CODES = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 412: "FAILED_PRECONDITION", 503: UNAVAILABLE}


class ServerError(OSError):
    """A server's refusal, or its silence.

    Attributes:
        code: as gRPC calls it: "INVALID_ARGUMENT", "NOT_FOUND", "DEADLINE_EXCEEDED", "UNAVAILABLE" ...
        details: what the server says.
    """

    def __init__(self, server, code, details):
        super().__init__(f"{server}: {code}: {details}")
        self.code, self.details = code, details


class _Client:
    """What the clients of both protocols have in common.

    Args:
        server: "HOST:PORT".
        model: the name that the server has for the export.
        version: a version of it; None for the one that the server prefers, the highest.
        timeout: seconds to wait for an answer.
        retries: times that a request is made again when the server is unavailable, as while it starts; never for
            another reason.

    Raises:
        ArgumentError: (a ValueError) if a package is missing.
    """

    def __init__(self, server, model, version=None, *, timeout=60.0, retries=3):
        self.server, self.model, self.version = server, model, version
        self.timeout, self.retries = timeout, retries

    def __call__(self, signature, **inputs):
        """Returns a signature's outputs as a dict of arrays.

        Args:
            signature: e.g. "serving_default".
            **inputs: an array, or a list of bytes, for each of the signature's inputs.

        Raises:
            ServerError: (an OSError) if there is no answer, or an error.
        """
        for retry in range(self.retries + 1):
            try:
                return self._ask(signature, inputs)
            except ServerError as error:
                if error.code != UNAVAILABLE or retry == self.retries:
                    raise
            time.sleep(FIRST_PAUSE * 2**retry)

    def _ask(self, signature, inputs):
        """Returns the answer to one request."""
        raise NotImplementedError


class GrpcClient(_Client):
    """Asks a server over gRPC, which takes images as they are: port 8500, if nobody chose another."""

    def __init__(self, server, model, version=None, **kwargs):
        super().__init__(server, model, version, **kwargs)
        from keras_resnets.serving import predict_requests  # which needs TensorFlow, as the clients' names do not

        self._requests = predict_requests
        service = predict_requests.serving_api("prediction_service_pb2_grpc")
        import grpc

        self._failure = grpc.RpcError
        # Images are larger than the 4 MB that are usual.
        options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
        channel = grpc.insecure_channel(server, options)
        self._predict = service.PredictionServiceStub(channel).Predict

    def _ask(self, signature, inputs):
        request = self._requests.predict_request(self.model, signature, inputs, self.version)
        try:
            return self._requests.arrays(self._predict(request, timeout=self.timeout).outputs)
        except self._failure as error:
            raise ServerError(self.server, error.code().name, error.details()) from error


class RestClient(_Client):
    """Asks a server over REST, which any HTTP proxy understands: port 8501, if nobody chose another."""

    def __init__(self, server, model, version=None, **kwargs):
        super().__init__(server, model, version, **kwargs)
        try:
            import httpx
        except ImportError as error:
            raise ArgumentError("a REST client needs httpx: pip install '.[serving]'.") from error
        self._timed_out, self._failure = httpx.TimeoutException, httpx.TransportError
        part = "" if version is None else f"/versions/{version}"
        self._address = f"http://{server}/v1/models/{model}{part}:predict"
        self._http = httpx.Client(timeout=self.timeout)

    def _ask(self, signature, inputs):
        values = {name: _json_values(value) for name, value in inputs.items()}
        try:
            response = self._http.post(self._address, json={"signature_name": signature, "inputs": values})
        except self._timed_out as error:
            raise ServerError(self.server, "DEADLINE_EXCEEDED", f"no answer in {self.timeout:g} s") from error
        except self._failure as error:
            raise ServerError(self.server, UNAVAILABLE, str(error)) from error
        if response.is_error:
            code = HTTP_CODES.get(response.status_code, f"HTTP_{response.status_code}")
            raise ServerError(self.server, code, _details(response))
        outputs = response.json()["outputs"]
        # An only output comes without its name: that of `features` is called as the signature.
        outputs = outputs if isinstance(outputs, dict) else {signature: outputs}
        return {name: _array(value) for name, value in outputs.items()}


CLIENTS = {"grpc": GrpcClient, "rest": RestClient}


def _json_values(value):
    """Returns an array as lists, and bytes as REST encodes them."""
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    return [_json_values(entry) for entry in value] if isinstance(value, list | tuple) else np.asarray(value).tolist()


def _array(value):
    """Returns the array that lists in JSON are: float32, int32, or bytes."""
    array = np.asarray(value)
    if array.dtype.kind in "US":
        return np.char.encode(array, "utf-8").astype(object)
    return array.astype(np.float32 if array.dtype.kind == "f" else np.int32)


def _details(response):
    """Returns the reason in an answer of TensorFlow Serving, or of another server."""
    try:
        return response.json()["error"]
    except (ValueError, KeyError, TypeError):
        return response.text[:200]
