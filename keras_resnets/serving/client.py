"""Clients of TensorFlow Serving's `tensorflow_model_server`, or of another server with its protocol.

A client is called like a `SavedModelSession`:
`GrpcClient("localhost:8500", "resnet50")("image_bytes", image_bytes=[...])`.
"""

import base64
import json
import time
import urllib.parse
from typing import Any

import numpy as np

from keras_resnets.errors import ArgumentError

FIRST_PAUSE = 0.2  # seconds before the first retry; each further one doubles it
UNAVAILABLE = "UNAVAILABLE"
# TensorFlow Serving's errors (google.rpc.Code) by their HTTP status over REST; 400 is also FAILED_PRECONDITION.
HTTP_CODES = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: UNAVAILABLE,
    504: "DEADLINE_EXCEEDED",
}


class ServerError(OSError):
    """An error that a server answers with, or no answer.

    Attributes:
        code: gRPC's name of the error: "INVALID_ARGUMENT", "NOT_FOUND", "DEADLINE_EXCEEDED", "UNAVAILABLE" ...
        details: the server's message.
    """

    def __init__(self, server: str, code: str, details: str):
        super().__init__(f"{server}: {code}: {details}")
        self.code, self.details = code, details


class _Client:
    """What the clients of both protocols share.

    Args:
        server: "HOST:PORT".
        model: the server's name for the export.
        version: a version of it; None for the server's default, the highest.
        timeout: seconds to wait for an answer.
        retries: number of times that a request is repeated while the server is unavailable, for example because it
            starts. Other errors are not retried.

    Raises:
        ArgumentError: (a ValueError) if the server is not written so, or a package is missing.
    """

    def __init__(self, server: str, model: str, version: int | None = None, *, timeout: float = 60.0, retries: int = 3):
        if server.startswith(("http://", "https://")):
            raise ArgumentError(_wrong_address(server))
        self.server, self.model, self.version = server, model, version
        self.timeout, self.retries = timeout, retries

    def __call__(self, signature: str, **inputs: Any) -> dict[str, np.ndarray]:
        """Returns a signature's outputs as a dict of arrays.

        Args:
            signature: a name, such as "serving_default".
            **inputs: an array, or a list of bytes, for each input of the signature.

        Raises:
            ServerError: (an OSError) if there is no answer, or an error.
        """
        for retry in range(self.retries):
            try:
                return self._ask(signature, inputs)
            except ServerError as error:
                if error.code != UNAVAILABLE:
                    raise
            time.sleep(FIRST_PAUSE * 2**retry)
        return self._ask(signature, inputs)

    def _ask(self, signature, inputs):
        """Returns the answer to one request."""
        raise NotImplementedError


class GrpcClient(_Client):
    """A client over gRPC, which sends images as bytes; the server's default port is 8500."""

    def __init__(self, server: str, model: str, version: int | None = None, **kwargs: Any):
        super().__init__(server, model, version, **kwargs)
        from keras_resnets.serving import predict_requests  # which needs TensorFlow, as the clients' names do not

        self._requests = predict_requests
        service = predict_requests.serving_api("prediction_service_pb2_grpc")
        import grpc

        self._failure = grpc.RpcError
        # Images can be larger than gRPC's default limit of 4 MB.
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
    """A client over REST, which passes HTTP proxies; the server's default port is 8501."""

    def __init__(self, server: str, model: str, version: int | None = None, **kwargs: Any):
        super().__init__(server, model, version, **kwargs)
        try:
            import httpx
        except ImportError as error:
            raise ArgumentError("a REST client needs httpx: pip install 'keras_resnets[serving]'.") from error
        self._timed_out, self._failure = httpx.TimeoutException, httpx.TransportError
        part = "" if version is None else f"/versions/{version}"
        self._address = f"http://{server}/v1/models/{urllib.parse.quote(model, safe='')}{part}:predict"
        try:
            httpx.URL(self._address)
        except httpx.InvalidURL as error:
            raise ArgumentError(_wrong_address(server)) from error
        self._http = httpx.Client(timeout=self.timeout)

    def _ask(self, signature, inputs):
        values = {name: _json_values(value) for name, value in inputs.items()}
        body = json.dumps({"signature_name": signature, "inputs": values})
        try:
            response = self._http.post(self._address, content=body, headers={"Content-Type": "application/json"})
        except self._timed_out as error:
            raise ServerError(self.server, "DEADLINE_EXCEEDED", f"no answer in {self.timeout:g} s") from error
        except self._failure as error:
            raise ServerError(self.server, UNAVAILABLE, str(error)) from error
        if response.is_error:
            code = HTTP_CODES.get(response.status_code, f"HTTP_{response.status_code}")
            raise ServerError(self.server, code, _details(response))
        outputs = response.json()["outputs"]
        # A single output comes without its name: that of the signature `features` is `features`.
        outputs = outputs if isinstance(outputs, dict) else {signature: outputs}
        return {name: _array(value) for name, value in outputs.items()}


def _wrong_address(server):
    return f"server={server!r} must be HOST:PORT, such as localhost:8500 for gRPC or localhost:8501 for REST."


CLIENTS = {"grpc": GrpcClient, "rest": RestClient}


def _json_values(value):
    """Returns an array as nested lists, with bytes in REST's encoding."""
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    value = value.tolist() if isinstance(value, np.ndarray | np.generic) and value.dtype == object else value
    return [_json_values(entry) for entry in value] if isinstance(value, list | tuple) else np.asarray(value).tolist()


def _array(value):
    """Returns nested lists from JSON as an array of float32, int32 or bytes."""
    array = np.asarray(value)
    if array.dtype.kind in "US":
        return np.char.encode(array, "utf-8").astype(object)
    return array.astype(np.float32 if array.dtype.kind == "f" else np.int32)


def _details(response):
    """Returns the error message in the answer of TensorFlow Serving or another server."""
    try:
        return response.json()["error"]
    except (ValueError, KeyError, TypeError):
        return response.text[:200]
