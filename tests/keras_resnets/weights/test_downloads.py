"""Downloads of weights, from servers of this machine: what is answered, and how soon, if there is no network."""

import contextlib
import hashlib
import http.server
import pathlib
import socket
import threading
import time

import pytest
from hub_cache import use_cache
from huggingface_hub import constants

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.weights import downloads

COCO = "https://download.pytorch.org/models/fasterrcnn_resnet50_fpn_coco-258fb6c6.pth"
KERAS = "keras-applications/resnet/resnet50_weights_tf_dim_ordering_tf_kernels.h5"


class Server(http.server.BaseHTTPRequestHandler):
    """A server of one file. The class of each test has the answers to the first requests, then all are 200."""

    FILE = b"0123456789" * 100
    stumbles: list[int]
    requests: list[str]
    sends = len(FILE)

    def do_HEAD(self):
        self.requests.append(self.command)
        status = self.stumbles.pop(0) if self.stumbles else 200
        self.send_response(status)
        for name, value in {"X-Repo-Commit": "0" * 40, "ETag": '"tag"', "Content-Length": len(self.FILE)}.items():
            self.send_header(name, str(value if status == 200 or name != "Content-Length" else 0))
        self.end_headers()

    def do_GET(self):
        self.do_HEAD()
        self.wfile.write(self.FILE[: self.sends])
        if self.sends < len(self.FILE):
            self.wfile.flush()
            time.sleep(3)  # longer than `impatient` waits

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def serving(**attributes):
    """Gives a server's address, and the class of its requests."""
    handler = type("Handler", (Server,), {"stumbles": [], "requests": [], **attributes})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", handler
        finally:
            server.shutdown()


def use_hub(monkeypatch, address):
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(downloads, "SECONDS_TO_WAIT", 0.5)


@pytest.fixture(autouse=True)
def empty_caches(monkeypatch, tmp_path):
    (tmp_path / "keras").mkdir()
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path / "keras"))  # Its variable is read once.
    use_cache(monkeypatch, tmp_path / "hub")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


@pytest.fixture
def no_names(monkeypatch):
    """A machine without a network finds no names."""

    def find(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", find)


def create_detector():
    return keras_resnets.create_detector("faster_rcnn_resnet50_fpn", weights="coco")


def create_model(net, weights):
    return lambda: keras_resnets.create_model(net, weights=weights, input_shape=(64, 64, 3))


@pytest.mark.usefixtures("no_names", "without_weights")
@pytest.mark.parametrize(
    "create, subject, remedy",
    [
        (
            create_detector,
            'weights="coco" of faster_rcnn_resnet50_fpn',
            f"download {COCO} into .*, or pass its path as w",
        ),
        (
            create_model("resnet50", "imagenet"),
            'weights="imagenet"',
            f"download https://storage.*/{KERAS} into .*, or pass its path as we",
        ),
        (
            create_model("resnet50_v1_5", "torchvision:IMAGENET1K_V2"),
            'weights="torchvision:IMAGENET1K_V2" of resnet50_v1_5',
            "https://download.pytorch.org/models/resnet50-11ad3fa6.pth into .*, or pass its path as weights=",
        ),
        *(
            (
                create_model("resnet18", weights),
                f'weights="{weights}" of resnet18',
                f"of https://huggingface.co/timm/{repository} into one folder, and pass the path of model.s",
            )
            for weights, repository in [
                ("imagenet", "resnet18.tv_in1k"),
                ("timm:resnet18.a2_in1k", "resnet18.a2_in1k"),
                ("hf://timm/resnet18.a1_in1k", "resnet18.a1_in1k"),
            ]
        ),
    ],
)
def test_without_a_network_every_kind_of_weights_says_at_once_what_to_download(create, subject, remedy):
    start = time.monotonic()
    with pytest.raises(ArgumentError, match=rf"^{subject}.* cannot be downloaded .*not known.*{remedy}") as error:
        create()
    assert time.monotonic() - start < 5 and "\n" not in str(error.value)


def test_a_network_that_drops_packets_is_given_up(impatient, monkeypatch):
    # A server whose queue is full does not answer, as behind a firewall: Linux would try for two minutes.
    with contextlib.ExitStack() as stack, socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        for _ in range(2):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        use_hub(monkeypatch, address)
        start = time.monotonic()
        with pytest.raises(ArgumentError, match="timed out.*: where there is a network, download"):
            downloads.download(f"{address}/net.pth", "it", "pass its path as weights=")
        with pytest.raises(ArgumentError, match="timed out.*: where there is a network, download"):
            keras_resnets.ResNet18(weights="timm:resnet18.a2_in1k")
        assert time.monotonic() - start < 5


def test_a_download_that_stalls_is_given_up_and_leaves_no_file(impatient):
    limit = socket.getdefaulttimeout()
    with serving(sends=10) as (address, _):
        with pytest.raises(ArgumentError, match="it cannot be downloaded .timed out.* or pass its path as weights=.$"):
            downloads.download(f"{address}/net.pth", "it", "pass its path as weights=")
    with serving() as (address, _):
        path = pathlib.Path(downloads.download(f"{address}/net.pth", "it", "pass its path as weights="))
    assert path.read_bytes() == Server.FILE
    assert socket.getdefaulttimeout() == limit


def test_a_file_is_downloaded_once_and_its_checksum_is_compared():
    sha256 = hashlib.sha256(Server.FILE).hexdigest()
    with serving() as (address, server):
        with pytest.raises(ArgumentError, match="it: net.pth was damaged in transit and has been deleted: try again"):
            downloads.download(f"{address}/net.pth", "it", "do without", sha256="0" * 8)
        paths = {downloads.download(f"{address}/net.pth", "it", "do without", sha256=sha256[:8]) for _ in range(2)}
    assert len(paths) == 1 and server.requests == ["GET", "GET"]


def test_a_hub_that_stumbles_is_asked_again_and_a_file_of_the_cache_needs_no_hub(monkeypatch):
    with serving(stumbles=[503, 503]) as (address, server):
        use_hub(monkeypatch, address)
        path = downloads.download_from_hub("mine/net", "model.safetensors")
    assert pathlib.Path(path).read_bytes() == Server.FILE
    assert server.requests.count("HEAD") > 2
    downloads.download_from_hub.cache_clear()
    start = time.monotonic()
    assert downloads.download_from_hub("mine/net", "model.safetensors") == path
    assert time.monotonic() - start < 5
