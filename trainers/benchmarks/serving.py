"""What `trainers.benchmark` measures of exports: images per second beside other runtimes, and a server's latency."""

import concurrent.futures
import functools
import importlib.util
import pathlib
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
from keras_resnets.serving import GrpcClient, SavedModelSession, export_classifier
from trainers.runtime.measuring import in_new_process, in_turns, processor
from trainers.serving.conformance import randomize
from trainers.serving.model_server import model_server

NET, SIZE, THREADS = "resnet50", 224, 2
BATCHES = (1, 8)
MATRIX = 2048  # rows and columns of the product that tells what the cores can do
CLIENTS, REQUESTS = (1, 2, 4, 8), 200
REQUESTS_FOR_MEMORY = 2000
LABELS = [str(i) for i in range(1000)]
# torchvision and TensorFlow crash in one process.
TORCHVISION_TO_ONNX = """
import sys, torch, torchvision
model = torchvision.models.resnet50().eval()
torch.onnx.export(model, torch.zeros(1, 3, {size}, {size}), sys.argv[1], dynamo=False, opset_version=17,
                  input_names=["images"], dynamic_axes={{"images": {{0: "batch"}}}})
"""


def serving(repeats):
    """Images/s of ResNet-50 on two threads: our export, keras.applications, ONNX Runtime and OpenVINO, in turns.

    Peers that are not installed are left out; the last two take torchvision's ResNet-50, which is version 1.5 (6 % more
    multiply-adds). `ratio` is ours to the fastest peer, `share_of_ceiling` our float32 export's share of a matrix
    product's operations in a second.
    """
    # TensorFlow leaves oneDNN, whose convolutions are faster, to those who ask for it on cores without AVX512-VNNI.
    return in_new_process(_serving, repeats, TF_ENABLE_ONEDNN_OPTS="1")


def _serving(repeats):
    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    with tempfile.TemporaryDirectory() as folder:
        ours, peers = _ours(folder), _keras_applications(folder) | _other_runtimes(folder)
        figures = {"processor": processor(), "gflops_of_a_matrix_product": _ceiling()}
        for batch in BATCHES:
            images = np.random.default_rng(0).integers(0, 256, (batch, SIZE, SIZE, 3), dtype=np.uint8)
            functions = {name: functools.partial(run, images) for name, run in (ours | peers).items()}
            for function in functions.values():
                function()  # The first run is slow.
            rates = {name: batch / seconds for name, seconds in in_turns(functions, repeats).items()}
            flops = 2 * keras_resnets.multiply_adds(keras_resnets.create_model(NET))
            figures[f"batch_{batch}"] = {
                **rates,
                "ratio": rates["keras_resnets"] / max(rates[name] for name in peers),
                "share_of_ceiling": rates["keras_resnets"] * flops / 1e9 / figures["gflops_of_a_matrix_product"],
            }
    return figures


def _ours(folder):
    """Returns our exports in float32 and bfloat16, as functions of images."""
    preprocessing, sessions = Preprocessing(SIZE, SIZE, (120, 115, 105), (60, 59, 58)), {}
    for name, policy in (("keras_resnets", "float32"), ("keras_resnets_bfloat16", "mixed_bfloat16")):
        with dtype_policy_scope(policy):
            model = randomize(keras_resnets.create_model(NET))
        session = SavedModelSession(export_classifier(model, preprocessing, LABELS, f"{folder}/{name}"))
        sessions[name] = functools.partial(_ask, session)
    return sessions


def _ask(session, images):
    return session("serving_default", images=images)


def _keras_applications(folder):
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
    """Returns ONNX Runtime and OpenVINO on torchvision's net, those that are installed."""
    if importlib.util.find_spec("torchvision") is None:
        return {}
    path, runtimes = f"{folder}/resnet50.onnx", {}
    subprocess.run([sys.executable, "-c", TORCHVISION_TO_ONNX.format(size=SIZE), path], check=True, capture_output=True)
    if importlib.util.find_spec("onnxruntime") is not None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        runtimes["onnxruntime"] = lambda images: session.run(None, {"images": _planes(images)})
    if importlib.util.find_spec("openvino") is not None:
        import openvino

        compiled = openvino.compile_model(path, "CPU", {"INFERENCE_NUM_THREADS": THREADS})
        runtimes["openvino"] = lambda images: compiled({"images": _planes(images)})
    return runtimes


def _planes(images):
    """Returns (B, 3, H, W) float32."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32)


def _ceiling():
    """Returns the best rate of a float32 matrix product, in GFLOP/s."""
    matrix = tf.random.normal((MATRIX, MATRIX))
    seconds = []
    for _ in range(10):
        start = time.perf_counter()
        tf.matmul(matrix, matrix).numpy()
        seconds.append(time.perf_counter() - start)
    return 2 * MATRIX**3 / min(seconds) / 1e9


def serving_latency(repeats):
    """Milliseconds of a request of one JPEG to a server of ResNet-50, for 1, 2, 4 and 8 clients; and its memory.

    Each client makes one request after the other. `failed` counts errors. The memory is that of the server after the
    first requests, and after 2,000 more.
    """
    del repeats  # The numbers of requests are part of what is measured.
    preprocessing = Preprocessing(SIZE, SIZE, (120, 115, 105), (60, 59, 58))
    random = np.random.default_rng(0)
    photo = tf.image.resize(random.integers(0, 256, (30, 40, 3)), (480, 640), method="bicubic")
    encoded = tf.io.encode_jpeg(tf.cast(tf.clip_by_value(photo, 0, 255), tf.uint8)).numpy()
    with tempfile.TemporaryDirectory() as folder:
        model = randomize(keras_resnets.create_model(NET))
        export_classifier(model, preprocessing, LABELS, f"{folder}/{NET}", warmup=True)
        with model_server(f"{folder}/{NET}") as server:
            client = GrpcClient(server.address, server.name)
            figures = {}
            for clients in CLIENTS:
                figures[f"{clients}_clients"] = _latencies(client, encoded, clients, REQUESTS)
            before = _resident_gib(server.process)
            memory = _latencies(client, encoded, CLIENTS[-1], REQUESTS_FOR_MEMORY)
            figures["memory"] = {
                "gib_before": before,
                "gib_after_2000_requests": _resident_gib(server.process),
                "failed": memory["failed"],
            }
    return figures


def _latencies(client, encoded, clients, requests):
    """Returns percentiles of the milliseconds of requests by so many clients at the same time."""

    def request(_):
        start = time.perf_counter()
        try:
            is_right = client("image_bytes", image_bytes=[encoded])["status"][0] == b"OK"
        except OSError:
            is_right = False
        return time.perf_counter() - start, is_right

    start = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        seconds, right = zip(*pool.map(request, range(requests)))
    percentiles = np.percentile(1000 * np.array(seconds), (50, 95, 99))
    return {
        **{f"p{rank}_ms": float(value) for rank, value in zip((50, 95, 99), percentiles)},
        "images_per_second": requests / (time.perf_counter() - start),
        "failed": right.count(False),
    }


def _resident_gib(process):
    """Returns the memory of another process, in GiB."""
    (line,) = (
        row for row in pathlib.Path(f"/proc/{process}/status").read_text().splitlines() if row.startswith("VmRSS")
    )
    return int(line.split()[1]) / 2**20
