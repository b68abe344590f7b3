"""Benchmarks of exports: images per second, next to other runtimes, and latency of a server."""

import concurrent.futures
import functools
import importlib.util
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import keras
import numpy as np
import tensorflow as tf

import keras_resnets
from keras_resnets.dtype_policies import dtype_policy_scope
from keras_resnets.preprocessing import Preprocessing
from keras_resnets.serving import GrpcClient, SavedModelSession, ServerError, export_classifier
from trainers.benchmarks.settings import Settings
from trainers.runtime.measuring import in_new_process, in_turns, processor
from trainers.serving.conformance import randomize
from trainers.serving.model_server import model_server

NET, SIZE, THREADS = "resnet50", 224, 2
BATCHES = (1, 8)
MATRIX = 2048  # rows and columns of the matrix product that measures what the cores can do
CLIENTS, REQUESTS = (1, 2, 4, 8), 200
REQUESTS_FOR_MEMORY = 2000
PREPROCESSING, LABELS = Preprocessing(SIZE, SIZE, (120, 115, 105), (60, 59, 58)), [str(i) for i in range(1000)]
# A program, since torchvision and TensorFlow crash in the same process.
TORCHVISION_TO_ONNX = """
import sys, torch, torchvision
path, size = sys.argv[1], int(sys.argv[2])
torch.onnx.export(torchvision.models.resnet50().eval(), torch.zeros(1, 3, size, size), path, dynamo=False,
                  opset_version=17, input_names=["images"], dynamic_axes={"images": {0: "batch"}})
"""


def serving(settings: Settings) -> dict:
    """Images/s of ResNet-50 on two threads: exports of this package, keras.applications, ONNX Runtime and OpenVINO.

    Peers that are not installed are left out. The last two run torchvision's ResNet-50, which is version 1.5 (6 % more
    multiply-adds). `ratio` is the float32 export's rate divided by that of the fastest peer; `share_of_ceiling` is its
    rate of operations divided by that of a matrix product.
    """
    # On processors without AVX512-VNNI, TensorFlow uses oneDNN, whose convolutions are faster, only on request.
    return in_new_process(_serving, settings.repeats, TF_ENABLE_ONEDNN_OPTS="1")


def _serving(repeats):
    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    with tempfile.TemporaryDirectory() as folder:
        ours, peers = _ours(folder), _keras_applications(folder) | _other_runtimes(folder)
        ceiling = _matrix_product_gflops()
        figures = {"processor": processor(), "gflops_of_a_matrix_product": ceiling}
        gflop = 2 * keras_resnets.multiply_adds(keras_resnets.create_model(NET)) / 1e9
        for batch in BATCHES:
            images = np.random.default_rng(0).integers(0, 256, (batch, SIZE, SIZE, 3), dtype=np.uint8)
            functions = {name: functools.partial(run, images) for name, run in (ours | peers).items()}
            in_turns(functions, 1)  # The first call is slow.
            rates = {name: batch / seconds for name, seconds in in_turns(functions, repeats).items()}
            figures[f"batch_{batch}"] = {
                **rates,
                "ratio": rates["keras_resnets"] / max(rates[name] for name in peers),
                "share_of_ceiling": rates["keras_resnets"] * gflop / ceiling,
            }
    return figures


def _ours(folder):
    """Returns this package's exports in float32 and bfloat16, as functions of images (B, H, W, 3) uint8."""
    sessions = {}
    for name, policy in (("keras_resnets", "float32"), ("keras_resnets_bfloat16", "mixed_bfloat16")):
        with dtype_policy_scope(policy):
            model = randomize(keras_resnets.create_model(NET))
        session = SavedModelSession(export_classifier(model, PREPROCESSING, LABELS, f"{folder}/{name}"))
        sessions[name] = functools.partial(_predict, session)
    return sessions


def _predict(session, images):
    return session("serving_default", images=images)


def _keras_applications(folder):
    """Returns keras.applications' net and its SavedModel, as functions of images (B, H, W, 3) uint8."""
    model = randomize(keras.applications.ResNet50(weights=None))
    path = f"{folder}/keras_applications"
    model.export(path, verbose=False)
    session = SavedModelSession(path)
    (name,) = session.signatures["serving_default"].inputs
    return {
        "keras.applications_predict": lambda images: model.predict(images, verbose=0),
        "keras.applications_session": lambda images: session("serving_default", **{name: images.astype(np.float32)}),
    }


def _other_runtimes(folder):
    """Returns ONNX Runtime and OpenVINO with torchvision's net, as functions of images, if they are installed."""
    if importlib.util.find_spec("torchvision") is None:
        return {}
    path, runtimes = f"{folder}/resnet50.onnx", {}
    subprocess.run([sys.executable, "-c", TORCHVISION_TO_ONNX, path, str(SIZE)], check=True, capture_output=True)
    if importlib.util.find_spec("onnxruntime") is not None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        runtimes["onnxruntime"] = lambda images: session.run(None, {"images": _channels_first(images)})
    if importlib.util.find_spec("openvino") is not None:
        import openvino

        compiled = openvino.compile_model(path, "CPU", {"INFERENCE_NUM_THREADS": THREADS})
        runtimes["openvino"] = lambda images: compiled({"images": _channels_first(images)})
    return runtimes


def _channels_first(images):
    """Returns images (B, 3, H, W) float32."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32)


def _matrix_product_gflops():
    """Returns the best rate of a float32 matrix product, in GFLOP/s."""
    matrix = tf.random.normal((MATRIX, MATRIX))
    seconds = []
    for _ in range(10):
        start = time.perf_counter()
        tf.matmul(matrix, matrix).numpy()
        seconds.append(time.perf_counter() - start)
    return 2 * MATRIX**3 / min(seconds) / 1e9


def serving_latency(settings: Settings) -> dict:
    """Milliseconds of a request of one JPEG to a server of ResNet-50, for 1, 2, 4 and 8 clients; memory of the server.

    Each client sends one request after the other; `failed` counts errors. The memory is measured after these requests
    and after 2,000 more. The number of repetitions has no effect.
    """
    del settings
    random = np.random.default_rng(0)
    photo = tf.image.resize(random.integers(0, 256, (30, 40, 3)), (480, 640), method="bicubic")
    encoded = tf.io.encode_jpeg(tf.cast(tf.clip_by_value(photo, 0, 255), tf.uint8)).numpy()
    with tempfile.TemporaryDirectory() as folder:
        model = randomize(keras_resnets.create_model(NET))
        export_classifier(model, PREPROCESSING, LABELS, f"{folder}/{NET}", warmup=True)
        with model_server(f"{folder}/{NET}") as server:
            client = GrpcClient(server.address, server.name)
            figures = {f"{clients}_clients": _latencies(client, encoded, clients, REQUESTS) for clients in CLIENTS}
            before = _resident_gib(server.process)
            memory = _latencies(client, encoded, CLIENTS[-1], REQUESTS_FOR_MEMORY)
            figures["memory"] = {
                "gib_before": before,
                f"gib_after_{REQUESTS_FOR_MEMORY}_requests": _resident_gib(server.process),
                "failed": memory["failed"],
            }
    return figures


def _latencies(client, encoded, clients, requests):
    """Returns percentiles of the milliseconds of requests that a number of clients send at the same time."""

    def request(_):
        start = time.perf_counter()
        try:
            succeeded = client("image_bytes", image_bytes=[encoded])["status"][0] == b"OK"
        except ServerError:
            succeeded = False
        return time.perf_counter() - start, succeeded

    start = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        seconds, succeeded = zip(*pool.map(request, range(requests)))
    percentiles = np.percentile(1000 * np.array(seconds), (50, 95, 99))
    return {
        **{f"p{rank}_ms": float(value) for rank, value in zip((50, 95, 99), percentiles)},
        "images_per_second": requests / (time.perf_counter() - start),
        "failed": succeeded.count(False),
    }


def _resident_gib(process):
    """Returns the resident memory of another process in GiB."""
    status = pathlib.Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 2**20
