"""A server and its clients: `trainers.prediction_service`, or TensorFlow Serving where it is installed."""

import pathlib
import threading

import grpc
import numpy as np
import pytest
from PIL import Image

from keras_resnets import ArgumentError
from keras_resnets.serving import GrpcClient, RestClient, SavedModelSession, ServerError
from keras_resnets.serving.predict_requests import arrays, predict_request, serving_api
from keras_resnets.serving.server_config import write_server_config
from trainers.data.sample_files import write_digits
from trainers.serving.grpc_server import start_grpc
from trainers.serving.model_server import free_ports, model_server
from trainers.serving.rest_server import start_rest
from trainers.serving.service import Service

EXPORT = pathlib.Path(__file__).parents[3] / "saved_models" / "cifar_resnet20_digits"
NAME = EXPORT.name


@pytest.fixture(scope="module")
def served():
    """The clients of a server of the repository's export, by their protocols."""
    with model_server(EXPORT) as server:
        yield {"grpc": GrpcClient(server.address, NAME), "rest": RestClient(server.rest_address, NAME)}


@pytest.fixture(scope="module")
def session():
    return SavedModelSession(EXPORT)


@pytest.fixture
def digit_files(tmp_path):
    write_digits(tmp_path)
    return sorted(tmp_path.rglob("*.png"))


both = pytest.mark.parametrize("protocol", ["grpc", "rest"])


@both
def test_a_server_answers_as_a_session(protocol, served, session, digit_files):
    encoded = [file.read_bytes() for file in digit_files]
    images = np.stack([np.asarray(Image.open(file).convert("RGB")) for file in digit_files])
    questions = [
        ("image_bytes", {"image_bytes": [*encoded, b"no image"]}),
        ("serving_default", {"images": images}),
        ("features", {"images": images[:2]}),
    ]
    for signature, inputs in questions:
        answers, expected = served[protocol](signature, **inputs), session(signature, **inputs)
        assert answers.keys() == expected.keys()
        for name, value in expected.items():
            assert answers[name].dtype == value.dtype and answers[name].shape == value.shape
            if value.dtype == object:
                np.testing.assert_array_equal(answers[name], value)
            else:
                np.testing.assert_allclose(answers[name], value, rtol=1e-5, atol=1e-7)
    assert answers["features"].shape == (2, 64)
    of_objects = served[protocol]("image_bytes", image_bytes=np.array(encoded[:2], object))
    np.testing.assert_array_equal(
        of_objects["labels"], served[protocol]("image_bytes", image_bytes=encoded[:2])["labels"]
    )


@pytest.mark.parametrize("client, server", [(GrpcClient, "http://a:1"), (RestClient, "https://a"), (RestClient, "a:b")])
def test_a_server_is_a_host_and_a_port(client, server):
    with pytest.raises(ArgumentError, match=f"server='{server}' must be HOST:PORT, such as localhost:8500"):
        client(server, NAME)


@both
def test_errors_have_the_codes_of_grpc(protocol, served):
    client = served[protocol]
    other = type(client)(client.server, "other")
    with pytest.raises(ServerError, match=f"{client.server}: NOT_FOUND: Servable not found for request"):
        other("image_bytes", image_bytes=[b""])
    problem = {
        "grpc": 'FAILED_PRECONDITION: Serving signature key "nothing" not found.',
        "rest": 'INVALID_ARGUMENT: Serving signature name: "nothing" not found in signature def',
    }
    with pytest.raises(ServerError, match=problem[protocol]):
        client("nothing", image_bytes=[b""])
    with pytest.raises(ServerError, match="INVALID_ARGUMENT"):
        client("image_bytes", images=[b""])
    with pytest.raises(ServerError, match="NOT_FOUND"):
        type(client)(client.server, NAME, version=9)("image_bytes", image_bytes=[b""])
    wrong_type = {"grpc": "Expects arg.0. to be uint8 but float is provided", "rest": "not of expected type: uint8"}
    with pytest.raises(ServerError, match=f"INVALID_ARGUMENT: .*{wrong_type[protocol]}"):
        client("serving_default", images=np.zeros((1, 32, 32, 3), np.float32))
    impatient = type(client)(client.server, NAME, timeout=1e-3)
    with pytest.raises(ServerError) as caught:
        impatient("serving_default", images=np.zeros((16, 300, 300, 3), np.uint8))
    assert caught.value.code == "DEADLINE_EXCEEDED"


def test_what_a_request_over_grpc_may_ask_for(served, digit_files):
    """The outputs of a request can be chosen; a label is refused, as no version has one."""
    stub = serving_api("prediction_service_pb2_grpc").PredictionServiceStub(
        grpc.insecure_channel(served["grpc"].server)
    )
    request = predict_request(NAME, "image_bytes", {"image_bytes": [digit_files[3].read_bytes()]})
    request.output_filter.append("labels")
    assert arrays(stub.Predict(request).outputs).keys() == {"labels"}
    request.output_filter.append("nothing")
    with pytest.raises(grpc.RpcError, match="output tensor alias not found in signature: nothing Outputs expected"):
        stub.Predict(request)
    request.model_spec.version_label = "stable"
    with pytest.raises(grpc.RpcError, match="Unrecognized servable version label: stable"):
        stub.Predict(request)


def test_a_huge_shape_of_few_values_is_refused(served):
    stub = serving_api("prediction_service_pb2_grpc").PredictionServiceStub(
        grpc.insecure_channel(served["grpc"].server)
    )
    request = predict_request(NAME, "serving_default", {"images": np.zeros((1, 32, 32, 3), np.uint8)})
    images = request.inputs["images"]
    images.tensor_content, images.tensor_shape.dim[0].size = b"", 10**12
    images.int_val.append(7)
    with pytest.raises(grpc.RpcError, match="the inputs' shapes have 3072000000000000 elements, many more") as error:
        stub.Predict(request)
    assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    images.tensor_shape.dim[0].size = 2  # A value may stand for a whole image.
    probabilities = arrays(stub.Predict(request).outputs)["probabilities"]
    np.testing.assert_allclose(probabilities[0], probabilities[1], rtol=1e-5)  # Rows of a product may be rounded apart.


class Counting(Service):
    """Counts its requests."""

    requests = 0

    def check(self, *arguments):
        self.requests += 1
        super().check(*arguments)


clients_and_servers = pytest.mark.parametrize("client, start", [(GrpcClient, start_grpc), (RestClient, start_rest)])


@clients_and_servers
def test_a_request_that_is_refused_is_not_repeated(client, start):
    service = Counting(EXPORT)
    server, port = start(service, 0)
    with pytest.raises(ServerError, match="NOT_FOUND"):
        client(f"localhost:{port}", "other", retries=5)("image_bytes", image_bytes=[b""])
    assert service.requests == 1
    server.stop(None)


@clients_and_servers
def test_a_server_that_is_not_there_yet_is_waited_for(client, start, digit_files):
    (port,) = free_ports(1)
    ask = {"image_bytes": [digit_files[3].read_bytes()]}
    with pytest.raises(ServerError, match="UNAVAILABLE"):
        client(f"localhost:{port}", NAME, retries=1)("image_bytes", **ask)
    service, started = Service(EXPORT), []
    timer = threading.Timer(0.5, lambda: started.append(start(service, port)))
    timer.start()
    answers = client(f"localhost:{port}", NAME, retries=7)("image_bytes", **ask)
    assert answers["labels"][0, 0] == b"3"
    timer.join()
    started[0][0].stop(None)


def test_predictions_of_a_server_are_those_of_an_export(served, digit_files, run_command):
    printed = []
    for flags in ([f"--export={EXPORT}"], [f"--server={served['grpc'].server}", f"--model={NAME}"]):
        process = run_command("trainers.predict", *flags, *digit_files)
        assert process.returncode == 0, process.stderr
        printed.append(process.stdout)
    assert printed[0] == printed[1] and printed[0].count("\n") == len(digit_files)
    process = run_command("trainers.predict", f"--server={served['grpc'].server}", "--model=other", digit_files[0])
    assert process.returncode == 1 and "NOT_FOUND" in process.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "flags, message",
    [
        ([], "error: pass either --export=FOLDER, --detector=NAME or --server=HOST:PORT"),
        (["--server=localhost:1"], "error: --server=localhost:1 needs --model=NAME"),
    ],
)
def test_an_export_or_a_server_must_be_named(flags, message, run_command):
    process = run_command("trainers.predict", *flags, EXPORT.parent / "README.md")
    assert process.returncode == 1 and process.stderr.splitlines()[-1].startswith(message)


def test_mutated_files_are_answered_and_the_server_lives(served, digit_files):
    random = np.random.default_rng(0)
    client, good = served["grpc"], digit_files[5].read_bytes()
    expected = client("image_bytes", image_bytes=[good])["probabilities"]
    originals = [good, *_other_kinds(digit_files[5])]
    for _ in range(20):
        files = [_mutated(originals[random.integers(len(originals))], random) for _ in range(50)]
        answers = client("image_bytes", image_bytes=files)
        for status, probabilities, labels in zip(answers["status"], answers["probabilities"], answers["labels"]):
            if status == b"OK":
                assert np.sum(probabilities) == pytest.approx(1, abs=1e-4)
            else:
                assert status.startswith(b"INVALID_ARGUMENT: ") and not np.any(probabilities)
                assert set(labels) == {b""}
    np.testing.assert_allclose(client("image_bytes", image_bytes=[good])["probabilities"], expected, rtol=1e-5)


def _other_kinds(file):
    for kind in ("JPEG", "GIF", "BMP"):
        path = file.with_suffix(f".{kind}")
        Image.open(file).convert("RGB").save(path, kind)
        yield path.read_bytes()


def _mutated(content, random):
    """Returns a file that is cut off, or has flipped bits, or is random from some byte on."""
    content, kind = bytearray(content), random.integers(4)
    if kind == 0:
        return bytes(content[: random.integers(len(content))])
    if kind == 1:
        for _ in range(random.integers(1, 20)):
            content[random.integers(len(content))] ^= 1 << random.integers(8)
    if kind >= 2:
        start = 0 if kind == 2 else random.integers(len(content))
        content[start:] = random.bytes(len(content) - start)
    return bytes(content)


def test_server_configuration(tmp_path):
    for name in ("b", "a"):
        (tmp_path / name / "1").mkdir(parents=True)
    (tmp_path / "notes").mkdir()
    models, batching = write_server_config(tmp_path, "/srv/models/")
    assert (
        models.read_text().split()
        == (
            'model_config_list { config { name: "a" base_path: "/srv/models/a" model_platform: "tensorflow" } '
            'config { name: "b" base_path: "/srv/models/b" model_platform: "tensorflow" } }'
        ).split()
    )
    assert "max_batch_size { value: 8 }" in batching.read_text()
    assert "\npad_variable_length_inputs" not in batching.read_text()


def test_start_commands_do_not_join_images_of_different_sizes(tmp_path):
    """TensorFlow Serving refuses all requests of a batch whose shapes differ, and batches every signature."""
    readme = (EXPORT.parent / "README.md").read_text()
    commands = [block for block in readme.split("\n\n") if block.startswith("    ") and "model_config_file" in block]
    assert len(commands) == 2 and not any("batching" in command for command in commands)
    (tmp_path / "a" / "1").mkdir(parents=True)
    batching = write_server_config(tmp_path)[1]
    assert batching.read_text() == (EXPORT.parent / "batching.config").read_text()


def test_a_folder_without_a_saved_model_is_not_served(tmp_path):
    with pytest.raises(ArgumentError, match="holds no SavedModel"), model_server(tmp_path):
        pass
