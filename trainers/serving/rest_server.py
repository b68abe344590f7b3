"""A server with TensorFlow Serving's REST API (https://www.tensorflow.org/tfx/serving/api_rest), version 1.

It answers as that server does, in its texts, with its status codes. What the server does where its documentation does
not say it is from its http_rest_api_handler.cc and http_rest_api_util.cc.
"""

from __future__ import annotations

import json
import logging
import re
import socket
import threading
import urllib.parse
import zlib

import uvicorn
from google.protobuf import json_format
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from keras_resnets.errors import ArgumentError
from keras_resnets.serving.predict_requests import serving_api
from trainers.serving.json_answers import write_outputs
from trainers.serving.json_requests import examples, parse, read_inputs, signature_name
from trainers.serving.refusal import FAILED, HTTP_STATUS, Refusal, invalid
from trainers.serving.service import DEFAULT_SIGNATURE, Service

LARGEST_BODY = 2**29  # bytes; as JSON, its numbers take four times as many
DIGITS = 18  # of a version, which has 64 bits
SECONDS_TO_KEEP_ALIVE = 75  # for a connection without requests
VERSION = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
PREDICTION = re.compile(rf"/v1/models/(?P<name>[^/:]+){VERSION}:(?P<method>classify|regress|predict)", re.IGNORECASE)
STATUS = re.compile(rf"/v1/models(?:/(?P<name>[^/:]+))?{VERSION}(?:/(?P<metadata>metadata))?", re.IGNORECASE)
METHOD_NAMES = {"classify": "classification", "regress": "regression"}


class RestServer:
    """A REST server in a thread of this process.

    Args:
        service: a `Service`.
        port: port of localhost; 0 for any free one.

    Attributes:
        port: its port.

    Raises:
        ArgumentError: if the port is taken.
    """

    def __init__(self, service: Service, port: int):
        try:
            listener = socket.create_server(("localhost", port))
        except OSError as error:
            raise ArgumentError(f"--rest_port={port} cannot be used: pass another one, or 0 for any.") from error
        # asyncio does not set it for a listener of unknown protocol. Without it, an answer's content waits for 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            _application(service),
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_keep_alive=SECONDS_TO_KEEP_ALIVE,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listener],), daemon=True)
        self._thread.start()

    def stop(self, grace: float | None) -> None:
        """Takes no more requests, and waits for the answers to those that are there.

        Args:
            grace: longest time to wait, in seconds; None for any.
        """
        self._server.config.timeout_graceful_shutdown = grace
        self._server.should_exit = True
        self._thread.join()


def start_rest(service: Service, port: int) -> tuple[RestServer, int]:
    """Starts a REST server in a thread of this process.

    Args, Raises:
        As `RestServer`.

    Returns:
        The server, and its port.
    """
    server = RestServer(service, port)
    return server, server.port


def _application(service):
    """Returns the server's ASGI application."""

    async def application(scope, receive, send):
        request = Request(scope, receive)
        target = b"?".join(part for part in (scope["raw_path"], scope["query_string"]) if part).decode("latin-1")
        try:
            body = await _body(request)
        except ClientDisconnect:
            return
        encoding = request.headers.get("content-encoding", "")
        status, content = await run_in_threadpool(_answer, service, request.method, target, body, encoding)
        await Response(content, status, media_type="application/json")(scope, receive, send)

    return application


async def _body(request):
    """Returns a request's body; None for one that is too large, which is read to its end, as the connection stays."""
    body, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= LARGEST_BODY:
            body += chunk
    return body if size <= LARGEST_BODY else None


def _answer(service, method, target, body, encoding):
    """Returns the HTTP status and the JSON that answer a request."""
    status = 200
    try:
        content = _content(service, method, target, body, encoding)
    except Refusal as refusal:
        status, content = HTTP_STATUS[refusal.code], {"error": str(refusal)}
    except RecursionError:
        status, content = 400, {"error": "JSON Parse error: the document is nested too deeply"}
    except Exception:
        logging.exception("%s %s", method, target)
        status, content = 500, {"error": FAILED}
    return status, json.dumps(content)


def _content(service, method, target, body, encoding):
    """Returns the content that answers a request."""
    pattern = {"POST": PREDICTION, "GET": STATUS}.get(method)
    match = pattern and pattern.fullmatch(target)
    if not match:
        code = "INVALID_ARGUMENT" if target.lower().startswith("/v1/") else "NOT_FOUND"
        raise Refusal(code, f"Malformed request: {method} {target}")
    name, label = (text and urllib.parse.unquote(text) for text in (match["name"], match["label"]))
    version = _version(match["version"])
    if name is None:
        raise invalid("Missing model name in request.")
    if method == "GET":
        return (_metadata if match["metadata"] else _status)(service, name, version, label)
    document = parse(_decompressed(body, encoding))
    if match["method"].lower() == "predict":
        return _predicted(service, name, version, label, document)
    return _not_predicted(service, name, version, label, document, match["method"].lower())


def _version(text):
    if text and len(text) > DIGITS:
        raise invalid("Failed to convert version: ", text, " to numeric.")
    return text and int(text)


def _decompressed(body, encoding):
    """Returns the content of a body, which may be compressed by gzip; as on the server, a damaged one is empty."""
    if body is not None and "gzip" in encoding:
        reader = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            content = reader.decompress(body, LARGEST_BODY)
        except zlib.error:
            return b""
        body = None if reader.unconsumed_tail else content
    if body is None:
        raise invalid(f"The request has more than {LARGEST_BODY >> 20} MiB: send fewer or smaller images.")
    return body


def _status(service, name, version, label):
    """Returns the answer to a request for the model's status."""
    try:
        service.check(name, version, label)
    except Refusal as refusal:
        if refusal.code != "NOT_FOUND":
            raise
        what = "any versions" if version is None else f"version {version}"
        raise Refusal(refusal.code, f"Could not find {what} of model {name}") from refusal
    status = {
        "version": str(service.version),
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }
    return {"model_version_status": [status]}


def _metadata(service, name, version, label):
    """Returns the answer to a request for the model's signatures."""
    service.check(name, version, label)
    signatures = serving_api("get_model_metadata_pb2").SignatureDefMap()
    for key, signature in service.signatures.items():
        signatures.signature_def[key].CopyFrom(signature)
    spec = {"name": service.name, "signature_name": "", "version": str(service.version)}
    definitions = json_format.MessageToDict(
        signatures, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return {"model_spec": spec, "metadata": {"signature_def": definitions}}


def _predicted(service, name, version, label, document):
    """Returns the answer to a request to predict."""
    signature = signature_name(document) or DEFAULT_SIGNATURE
    service.check(name, version, label)
    if signature not in service.signatures:
        raise invalid(f'Serving signature name: "{signature}" not found in signature def')
    inputs, in_rows = read_inputs(document, service.dtypes(signature))
    return write_outputs(service(signature, inputs), in_rows)


def _not_predicted(service, name, version, label, document, method):
    """Raises the Refusal of a request to classify or regress, which no signature of our exports can answer."""
    signature = signature_name(document) or DEFAULT_SIGNATURE
    examples(document)
    service.check(name, version, label)
    if signature not in service.signatures:
        raise invalid("No signature was found with the name: ", signature)
    method_name, expected = service.signatures[signature].method_name, f"tensorflow/serving/{method}"
    if method_name != expected:
        kind = METHOD_NAMES[method]
        raise invalid(f"Expected {kind} signature method_name to be {expected}. Was: {method_name}")
    raise Refusal("UNIMPLEMENTED", f"This server does not {method}: ask TensorFlow Serving.")
