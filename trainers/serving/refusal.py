"""Requests that a server answers with an error, with gRPC's codes and the HTTP status of TensorFlow Serving."""

# TensorFlow Serving's http_server.cc; gRPC's codes are those of google.rpc.Code.
HTTP_STATUS = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}
FAILED = "The server failed: its log has the reason."


class Refusal(Exception):
    """A request that is answered with an error.

    Attributes:
        code: name of gRPC's status code, a key of `HTTP_STATUS`.
    """

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


def invalid(*parts: object) -> Refusal:
    """Returns the Refusal of a request that cannot work; the parts are joined to its message."""
    return Refusal("INVALID_ARGUMENT", "".join(map(str, parts)))
