"""The REST API of `trainers.prediction_service`: requests of TensorFlow Serving's documentation, and wrong ones."""

import base64
import concurrent.futures
import gzip
import json
import pathlib
import re
import time

import httpx
import numpy as np
import processes
import pytest
import tensorflow as tf
from PIL import Image

from keras_resnets import ArgumentError
from keras_resnets.serving import SavedModelSession
from keras_resnets.serving.saved_model import Signature, write_saved_model
from trainers.data.sample_files import write_digits
from trainers.serving.grpc_server import start_grpc
from trainers.serving.rest_server import start_rest
from trainers.serving.service import Service

EXPORT = pathlib.Path(__file__).parents[3] / "saved_models" / "cifar_resnet20_digits"
DETECTOR = EXPORT.parent / "faster_rcnn_digit_scenes"
DIGITS = f"/v1/models/{EXPORT.name}"
SIZE = 8  # px, of images in the requests
BLACK = np.zeros((2, SIZE, SIZE, 3), np.uint8).tolist()


def start(export, name):
    server, port = start_rest(Service(export, name), 0)
    return server, httpx.Client(base_url=f"http://localhost:{port}")


@pytest.fixture(scope="module")
def digits():
    """A client of the repository's export of a classification net; all requests use one connection."""
    server, client = start(EXPORT, None)
    yield client
    client.close()
    server.stop(None)


@pytest.fixture(scope="module")
def documented(tmp_path_factory):
    """A client of a model with the inputs of the documentation's examples."""
    path = tmp_path_factory.mktemp("documented") / "123"
    inputs = (
        tf.TensorSpec((None,), tf.string, "tag"),
        tf.TensorSpec((None, 5), tf.float32, "signal"),
        tf.TensorSpec((None, 2, 2), tf.int32, "sensor"),
    )
    three = Signature(
        inputs,
        lambda tag, signal, sensor: {"tag_bytes": tag, "tag": tag, "signal": signal * 0.1, "sensor": sensor},
    )
    half = Signature((tf.TensorSpec((None,), tf.float32, "x"),), lambda x: {"y": x / 2 + 3})
    text = Signature((tf.TensorSpec((None,), tf.string, "text"),), lambda text: {"same": text})
    pairs = Signature((tf.TensorSpec((None, 1, 2), tf.float32, "pairs"),), lambda pairs: {"sum": tf.reduce_sum(pairs)})
    signatures = {"serving_default": half, "three": three, "text": text, "pairs": pairs}
    write_saved_model(path, signatures, [])
    server, client = start(path, "half_plus_three")
    yield client
    client.close()
    server.stop(None)


def ask(client, request, model="half_plus_three"):
    """Returns the status and the content of the answer to a request to predict."""
    answer = client.post(f"/v1/models/{model}:predict", content=json.dumps(request))
    assert answer.headers["content-type"] == "application/json"
    return answer.status_code, answer.json()


ROWS = [
    {"tag": "foo", "signal": [1, 2, 3, 4, 5], "sensor": [[1, 2], [3, 4]]},
    {"tag": "bar", "signal": [3, 4, 1, 2, 5], "sensor": [[4, 5], [6, 8]]},
]
COLUMNS = {name: [row[name] for row in ROWS] for name in ("tag", "signal", "sensor")}


def test_requests_of_the_documentation(documented):
    assert ask(documented, {"instances": [1.0, 2.0, 5.0]}) == (200, {"predictions": [3.5, 4.0, 5.5]})
    assert ask(documented, {"inputs": [1.0, 2.0, 5.0]}) == (200, {"outputs": [3.5, 4.0, 5.5]})
    text = {"signature_name": "text", "instances": ["foo", "bar", "baz"]}
    assert ask(documented, text) == (200, {"predictions": ["foo", "bar", "baz"]})
    signals = [[0.1, 0.2, 0.3, 0.4, 0.5], [0.3, 0.4, 0.1, 0.2, 0.5]]
    expected = {
        **COLUMNS,
        "signal": [pytest.approx(row, abs=1e-7) for row in signals],
        "tag_bytes": [{"b64": base64.b64encode(tag.encode()).decode()} for tag in ("foo", "bar")],
    }
    assert ask(documented, {"signature_name": "three", "inputs": COLUMNS}) == (200, {"outputs": expected})
    rows = [{name: values[i] for name, values in expected.items()} for i in range(2)]
    assert ask(documented, {"signature_name": "three", "instances": ROWS}) == (200, {"predictions": rows})
    assert ask(documented, {"instances": [1.0, 5.0]}, "half") == (
        404,
        {"error": "Servable not found for request: Latest(half)"},
    )


def test_answers_over_a_kept_connection_do_not_wait(documented):
    """Without TCP_NODELAY, each waits for 40 ms."""
    seconds = []
    for _ in range(15):
        start = time.perf_counter()
        documented.get("/v1/models/half_plus_three")
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.03


def test_status_and_metadata(documented):
    path = "/v1/models/half_plus_three"
    status = {"version": "123", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    for address in (path, f"{path}/versions/123", path.replace("models", "MODELS")):
        assert documented.get(address).json() == {"model_version_status": [status]}
    metadata = documented.get(f"{path}/metadata").json()
    assert metadata["model_spec"] == {"name": "half_plus_three", "signature_name": "", "version": "123"}
    signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert signature["inputs"] == {
        "x": {
            "dtype": "DT_FLOAT",
            "name": "serving_default_x:0",
            "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
        }
    }


@pytest.mark.parametrize(
    "method, path, status, error",
    [
        ("GET", "/v1/models/other", 404, "Could not find any versions of model other"),
        ("GET", "/v1/models/half_plus_three/versions/9", 404, "Could not find version 9 of model half_plus_three"),
        ("GET", "/v1/models/half_plus_three/labels/new", 400, "Unrecognized servable version label: new"),
        ("GET", "/v1/models/other/metadata", 404, "Servable not found for request: Latest(other)"),
        ("GET", "/v1/models", 400, "Missing model name in request."),
        ("GET", f"/v1/models/a/versions/{'9' * 20}", 400, f"Failed to convert version: {'9' * 20} to numeric."),
        ("GET", "/v1/models/half_plus_three:predict", 400, "Malformed request: GET /v1/models/half_plus_three:predict"),
        ("PUT", "/v1/models/a?b=c", 400, "Malformed request: PUT /v1/models/a?b=c"),
        ("GET", "/", 404, "Malformed request: GET /"),
    ],
)
def test_paths_that_are_refused(method, path, status, error, documented):
    answer = documented.request(method, path)
    assert (answer.status_code, answer.json()) == (status, {"error": error})


NOT_EXPECTED = "is not of expected type:"


@pytest.mark.parametrize(
    "request_, error",
    [
        ([], "JSON Value: [] Is not object"),
        ({"signature_name": 3, "inputs": [1.0]}, "'signature_name' key must be a string value."),
        ({"signature_name": "no", "inputs": [1.0]}, 'Serving signature name: "no" not found in signature def'),
        ({"x": [1.0]}, "Missing 'inputs' or 'instances' key"),
        ({"inputs": [1.0], "instances": [1.0]}, "expecting only one of 'inputs' or 'instances' keys to exist"),
        ({"instances": 1.0}, "Excepting 'instances' to be an list/array"),
        ({"instances": []}, "No values in 'instances' array"),
        ({"inputs": {"y": [1.0]}}, "Missing named input: x in 'inputs' object."),
        ({"inputs": [1.0, [2.0]]}, "Encountered list at unexpected level: 1 expected < 1"),
        ({"inputs": [[1.0], 2.0]}, "JSON Value: 2.0 found at incorrect level: 2 in the JSON DOM. Expected at level: 2"),
        ({"inputs": [[1.0, 2.0], [3.0]]}, "Encountered list at unexpected size: 1 at level: 1 expected size: 2"),
        ({"inputs": [1.0, None]}, f"JSON Value: null Type: Null {NOT_EXPECTED} float"),
        ({"inputs": [1.0, True]}, f"JSON Value: true Type: True {NOT_EXPECTED} float"),
        ({"inputs": ["1"]}, f'JSON Value: "1" Type: String {NOT_EXPECTED} float'),
        ({"inputs": [1e39]}, "Cannot convert JSON value: 1e+39 to float without loss of precision."),
        ({"inputs": [2**30]}, "Cannot convert JSON value: 1073741824 to float without loss of precision."),
        (
            {"instances": [1.0, {"x": 2.0}]},
            "Expecting value/list but got object at item 1 of input list",
        ),
        ({"instances": [{"x": 1.0}, 2.0]}, "Expecting object but got list at item 1 of input list"),
        (
            {"instances": [[1.0], [2.0, 3.0]]},
            "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: Expecting tensor size: 1 but "
            "got: 2",
        ),
        (
            {"instances": [{"x": 1.0}, {"x": "2"}]},
            "Failed to process element: 1 key: x of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: \"2\" Type: "
            f"String {NOT_EXPECTED} float",
        ),
        ({"signature_name": "three", "inputs": [1.0]}, "inputs is a plain value/list, but expecting an object"),
        ({"signature_name": "three", "instances": [1]}, "instances is a plain list, but expecting list of objects"),
        ({"signature_name": "three", "instances": [{"tag": "a"}]}, "keys must be equal to: sensor,signal,tag"),
        ({"signature_name": "text", "inputs": [{"b64": "%"}]}, "Unable to base64 decode"),
        ({"signature_name": "text", "inputs": [{"b64": 3}]}, "not formatted correctly for base64 data"),
        ({"signature_name": "text", "inputs": [3]}, f"JSON Value: 3 Type: Number {NOT_EXPECTED} string"),
        ({"signature_name": "pairs", "instances": [[[1, 2]]]}, "Tensor name: sum has no shape information"),
    ],
)
def test_requests_that_are_refused(request_, error, documented):
    status, content = ask(documented, request_)
    assert status == 400 and content.keys() == {"error"} and error in content["error"]


@pytest.mark.parametrize(
    "body, error",
    [
        (b"", "JSON Parse error: The document is empty"),
        (b'{"inputs"', "JSON Parse error: Missing a colon after a name of object member. at offset: 9"),
        (b'{"inputs": [1 2]}', "JSON Parse error: Missing a comma, } or ] after a value. at offset: 14"),
        (b'{"inputs": x}', "JSON Parse error: Invalid value. at offset: 11"),
        (b"{} {}", "JSON Parse error: The document root must not be followed by other values. at offset: 3"),
        (b'{"inputs": "\xff"}', "JSON Parse error: Invalid encoding in string. at offset: 12"),
        (b'{"signature_name": "\\ud800"}', "JSON Parse error: The surrogate pair in string is invalid."),
        (b"[" * 100_000, "JSON Parse error: the document is nested too deeply"),
        (b'{"inputs": ' + b"9" * 5000 + b"}", "JSON Parse error: Number too big to be stored in double."),
        (b'{"inputs": ' + b"[" * 100 + b"1" + b"]" * 100 + b"}", "Encountered list at unexpected level: 64 expected"),
    ],
)
def test_bodies_that_are_refused(body, error, documented):
    answer = documented.post("/v1/models/half_plus_three:predict", content=body)
    assert answer.status_code == 400 and answer.json()["error"].startswith(error)


def test_what_the_server_allows(documented):
    assert ask(documented, {"signature_name": "", "inputs": {"x": [1.0], "more": 3}})[1] == {"outputs": [3.5]}
    body = gzip.compress(b'{"inputs": [NaN, Infinity, 1]}')
    answer = documented.post(
        "/v1/models/half_plus_three/versions/123:predict", content=body, headers={"Content-Encoding": "gzip"}
    )
    assert answer.text == '{"outputs": [NaN, Infinity, 3.5]}'
    spaced = {"signature_name": "text", "inputs": [{"b64": "Y W\nI"}, {"b64": "YWI="}]}
    assert ask(documented, spaced)[1] == {"outputs": ["ab", "ab"]}


def test_classify_and_regress_are_refused_as_for_a_signature_of_predict(documented):
    for method, kind in [("classify", "classification"), ("regress", "regression")]:
        address = f"/v1/models/half_plus_three:{method}"
        answer = documented.post(address, json={"examples": [{"x": 1.0}]})
        expected = f"Expected {kind} signature method_name to be tensorflow/serving/{method}. Was: tensorflow/serving/"
        assert answer.status_code == 400 and answer.json() == {"error": f"{expected}predict"}
        answer = documented.post(address, json={"instances": [1.0]})
        assert "key 'examples' is expected and was not found" in answer.json()["error"]


def test_a_digit_in_every_form(digits, tmp_path):
    write_digits(tmp_path)
    file = sorted(tmp_path.rglob("*.png"))[3]
    image, encoded = np.asarray(Image.open(file).convert("RGB")), base64.b64encode(file.read_bytes()).decode()
    session = SavedModelSession(EXPORT)
    labels = [label.decode() for label in session("image_bytes", image_bytes=[file.read_bytes()])["labels"][0]]
    in_bytes = [
        {"instances": [{"b64": encoded}]},
        {"instances": [{"image_bytes": {"b64": encoded}}]},
        {"inputs": [{"b64": encoded}]},
        {"inputs": {"image_bytes": [{"b64": encoded}]}},
    ]
    requests = [{"signature_name": "image_bytes", **request} for request in in_bytes]
    requests += [{"instances": [image.tolist()]}, {"instances": [{"images": image.tolist()}]}]
    for request in requests:
        status, answer = ask(digits, request, EXPORT.name)
        found = answer["predictions"][0] if "instances" in request else {k: v[0] for k, v in answer["outputs"].items()}
        assert status == 200 and found["labels"] == labels and found["labels"][0] == "3"
        assert found["probabilities"][3] > 0.9 and found["classes"][0] == 3
        assert ("status" in found) == ("signature_name" in request)


def with_pixel(value):
    images = np.zeros((2, SIZE, SIZE, 3), int).tolist()
    images[1][2][3][1] = value
    return images


@pytest.mark.parametrize(
    "value, text", [(300, "300"), (-1, "-1"), (0.5, "0.5"), (1.0, "1.0"), (float("nan"), "NaN"), (2**80, str(2**80))]
)
@pytest.mark.parametrize("form", ["instances", "inputs"])
def test_a_wrong_pixel_is_refused_and_the_connection_stays(value, text, form, digits):
    answers = [
        digits.post(f"{DIGITS}:predict", content=json.dumps({form: images})) for images in (with_pixel(value), BLACK)
    ]
    assert [answer.status_code for answer in answers] == [400, 200]
    assert f"JSON Value: {text} Type: Number {NOT_EXPECTED} uint8" in answers[0].json()["error"]
    ports = {answer.extensions["network_stream"].get_extra_info("client_addr") for answer in answers}
    assert len(ports) == 1


def test_no_answer_names_an_exception(digits):
    wrong = [
        {"inputs": {"images": [1, 2]}},
        {"inputs": {"images": []}},
        {"inputs": {"images": np.zeros((1, 0, 8, 3)).tolist()}},
        {"signature_name": "image_bytes", "inputs": []},
        {"instances": [{"b64": "YWI="}]},
        {"signature_name": "image_bytes", "instances": [[{"b64": "YWI="}]]},
        {"signature_name": "image_bytes", "inputs": {"image_bytes": {"b64": "YWI="}}},
    ]
    for request in wrong:
        status, answer = ask(digits, request, EXPORT.name)
        assert status == 400 and not re.search(r"\w(Error|Exception)\b|Traceback", answer["error"])


class Slow(Service):
    """Takes a second for an answer."""

    def __call__(self, *arguments):
        time.sleep(1)
        return super().__call__(*arguments)


def test_a_server_that_stops_answers_what_has_arrived():
    server, port = start_rest(Slow(EXPORT), 0)
    address, request = f"http://localhost:{port}{DIGITS}", {"instances": BLACK}
    with concurrent.futures.ThreadPoolExecutor() as pool:
        asked = pool.submit(httpx.post, f"{address}:predict", json=request, timeout=60)
        time.sleep(0.5)
        server.stop(30)
    assert asked.result().status_code == 200 and len(asked.result().json()["predictions"]) == len(BLACK)
    with pytest.raises(httpx.ConnectError):
        httpx.get(address)


def test_the_service_says_what_a_detector_is_limited_to():
    process = processes.start(
        ["-m", "trainers.prediction_service", f"--export={DETECTOR}", "--port=0", "--rest_port=0"]
    )
    lines = [process.stdout.readline() for _ in range(2)]
    process.terminate()
    assert lines[0].startswith(f"{DETECTOR.name}, version 1: gRPC localhost:")
    assert lines[1] == "max_detections=100, score_threshold=0.05, nms_threshold=0.3\n"
    assert process.wait(60) == 0


def test_a_port_that_is_taken_is_named(documented):
    port = documented.base_url.port
    with pytest.raises(ArgumentError, match=f"--rest_port={port} cannot be used: pass another one, or 0 for any."):
        start_rest(Service(EXPORT), port)
    server, port = start_grpc(Service(EXPORT), 0)
    with pytest.raises(ArgumentError, match=f"--port={port} is taken by another process: pass another one, or 0 for"):
        start_grpc(Service(EXPORT), port)
    server.stop(None)
