"""Comparison of exports with the nets they were made from."""

import json
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.detection.localizer import two_stage_guesses
from keras_resnets.detection.resizing import Resizing, to_original
from keras_resnets.models.registry import find, names
from keras_resnets.preprocessing import Preprocessing, decode
from keras_resnets.serving import (
    SavedModelSession,
    export_classifier,
    export_detector,
    export_localizer,
    export_portable,
)
from keras_resnets.serving.formats import FILES
from keras_resnets.serving.predict_requests import arrays, read_warmup
from keras_resnets.surgery.graph import batch_normalizations
from trainers.runtime.choices import SAVED_MODEL
from trainers.runtime.progress import Progress
from trainers.serving import c_session

TOLERANCE = 1e-4  # of the largest value


LARGEST_SIDE = 96  # px, of the images: the nets are those of full size, the maps are smaller


RESIZING = Resizing(LARGEST_SIDE, LARGEST_SIDE, (LARGEST_SIDE, LARGEST_SIDE))  # of detectors and localizers


LABELS = ["a", "b", "c"]


ANCHORS = {"anchor_sizes": (32, 64)}


def _faster_rcnn(backbone, **options):
    return keras_resnets.FasterRCNN(3, backbone, **ANCHORS, test_post_nms_topk=20, score_threshold=0.0, **options)


def _ensemble(*backbones):
    detectors = [_faster_rcnn(backbone) for backbone in backbones]
    return keras_resnets.Ensemble(detectors, detectors)


def _localizer(backbone):
    return keras_resnets.Localizer(3, backbone, **ANCHORS, post_nms_topk=20)


# Functions that make models of random weights; the second stage of localization after the first one.
DETECTORS = {
    "faster_rcnn_resnet18": lambda: _faster_rcnn("resnet18"),
    "faster_rcnn_resnet18_softmax": lambda: _faster_rcnn("resnet18", rpn_softmax=True),
    "faster_rcnn_resnet50_v2": lambda: _faster_rcnn("resnet50_v2"),
    "faster_rcnn_zfnet": lambda: _faster_rcnn("zfnet"),
    "ensemble_resnet18_resnet18_v2": lambda: _ensemble("resnet18", "resnet18_v2"),
}


LOCALIZERS = {
    "localizer_resnet18": lambda: [_localizer("resnet18")],
    "localization_rcnn_resnet18": lambda: [
        _localizer("resnet18"),
        keras_resnets.RCNN(3, "resnet18", warp_size=64, warp_context=5, pool_size=4, svm=False),
    ],
}


def replay(path):
    """Returns the answers of TensorFlow's C library to a version's warm-up requests: a list of dicts of arrays.

    Args:
        path: the folder of a version.

    Raises:
        ArgumentError: if the export is damaged, or the library does not answer.
    """
    signatures, requests = SavedModelSession(path).signatures, []
    for request in read_warmup(path):
        signature = signatures[request.model_spec.signature_name]
        inputs = arrays(request.inputs)
        requests.append(
            {
                "inputs": {signature.inputs[key].name: c_session.to_json(value) for key, value in inputs.items()},
                "outputs": {key: output.name for key, output in signature.outputs.items()},
            }
        )
    command = [sys.executable, c_session.__file__, str(path)]
    process = subprocess.run(command, input=json.dumps(requests), capture_output=True, text=True)
    if process.returncode:
        raise ArgumentError(f"{path} is not answered for by TensorFlow's C library: {process.stderr.strip()[-500:]}")
    return [{key: c_session.from_json(value) for key, value in answer.items()} for answer in json.loads(process.stdout)]


def classifier_differences(name, folder):
    """Exports a net of the registry, and compares.

    Args:
        name: one of `keras_resnets.list_models()`.
        folder: where to export to.

    Returns:
        The largest difference of each signature's `probabilities` or `features`, as a share of their largest value; and
        the export's size in bytes.
    """
    model, preprocessing, labels = _classifier(name)
    features = keras.Model(model.input, model.get_layer("predictions").input)
    path = export_classifier(model, preprocessing, labels, pathlib.Path(folder) / name, warmup=True)
    differences = {}
    for request, answer in zip(read_warmup(path), replay(path), strict=True):
        signature = request.model_spec.signature_name
        images = preprocessing(_images(request))
        key, net = ("features", features) if signature == "features" else ("probabilities", model)
        differences[signature] = _difference(answer[key], net(images, training=False).numpy())
    return differences, _size(path)


def portable_differences(name, folder, format):
    """Exports a net of the registry for another runtime, and compares that runtime's probabilities with Keras's.

    Args:
        name: one of `keras_resnets.list_models()`.
        folder: where to export to.
        format: "onnx" for ONNX Runtime, or "litert".

    Returns:
        As `classifier_differences`.
    """
    model, preprocessing, labels = _classifier(name)
    path = export_portable(model, preprocessing, labels, pathlib.Path(folder) / name, format=format)
    images = np.random.default_rng(0).uniform(0, 255, (1, preprocessing.size, preprocessing.size, 3)).astype("float32")
    expected = model(preprocessing.normalize(images), training=False).numpy()
    return {format: _difference(RUNTIMES[format](path / FILES[format], images), expected)}, _size(path)


def _run_onnx(file, images):
    import onnxruntime

    (answer,) = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"]).run(None, {"images": images})
    return answer


def _run_litert(file, images):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(file))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], images)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


RUNTIMES = {"onnx": _run_onnx, "litert": _run_litert}


def _classifier(name):
    """Returns a net of random weights for small images, its preprocessing and its labels."""
    size = min(find(name).size, LARGEST_SIDE)
    model = randomize(keras_resnets.create_model(name, input_shape=(size, size, 3)))
    preprocessing = Preprocessing(size, size, (120, 115, 105), (60, 59, 58))
    return model, preprocessing, [str(i) for i in range(model.output_shape[1])]


def detector_differences(name, folder):
    """As `classifier_differences`, of a detector: differences of the scores, and of the boxes in pixels.

    Args:
        name: one of `DETECTORS`.
        folder: where to export to.
    """
    model = randomize(DETECTORS[name]())
    path = export_detector(model, RESIZING, LABELS, pathlib.Path(folder) / name, warmup=True)
    return _box_differences(path, model), _size(path)


def localizer_differences(name, folder):
    """As `detector_differences`, of a localizer, alone or with its second stage.

    Args:
        name: one of `LOCALIZERS`.
        folder: where to export to.
    """
    localizer, *second = [randomize(stage) for stage in LOCALIZERS[name]()]
    path = export_localizer(
        localizer,
        RESIZING,
        LABELS,
        pathlib.Path(folder) / name,
        second_stage=second[0] if second else None,
        warmup=True,
    )

    def guesses(inputs):
        return two_stage_guesses(localizer, *second, inputs) if second else localizer(inputs)

    return _box_differences(path, guesses), _size(path)


def _box_differences(path, model):
    """Returns the differences between an export's scores and boxes, and those of a function of a model's inputs."""
    differences = {}
    for request, answer in zip(read_warmup(path), replay(path), strict=True):
        resized, scale = RESIZING.resize(_images(request)[0])
        image, shape = RESIZING.pad(resized)
        inputs = {"images": image[tf.newaxis], "image_shapes": shape[tf.newaxis]}
        classes = arrays(request.inputs).get("classes")
        if classes is not None:
            inputs["classes"] = np.where(classes < len(LABELS), classes, -1)
        found = model(inputs)
        boxes = to_original(found["boxes"], scale[tf.newaxis]).numpy()
        signature = request.model_spec.signature_name
        differences[f"{signature} scores"] = _difference(answer["scores"], found["scores"].numpy())
        differences[f"{signature} boxes"] = _difference(answer["boxes"], boxes)
    return differences


def randomize(model):
    """Gives batch normalization random weights and statistics, so that folding it wrongly shows; returns the model."""
    random, layers = np.random.default_rng(0), list(batch_normalizations(model))
    # Sums of hundreds of units would overflow.
    largest = min(1.0, (20 / max(len(layers), 1)) ** 0.5)
    for layer in layers:
        ranges = {"gamma": (0.5 * largest, largest), "beta": (-0.2, 0.2)}
        ranges |= {"moving_mean": (-0.2, 0.2), "moving_variance": (0.5, 1.5)}
        for weight in layer.weights:
            weight.assign(random.uniform(*ranges[weight.name], weight.shape))
    return model


def _images(request):
    """Returns the images (1, H, W, 3) of a warm-up request."""
    inputs = arrays(request.inputs)
    return inputs["images"] if "images" in inputs else decode(inputs["image_bytes"][0]).numpy()[np.newaxis]


def _difference(got, expected):
    return float(np.max(np.abs(got - expected)) / np.max(np.abs(expected)))


def _size(path):
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def compare(models: Sequence[str] | None, format: str) -> dict[str, tuple[float, int]]:
    """Exports nets, and compares what the exports answer with what the nets do.

    Args:
        models: names of `keras_resnets.list_models()`, `DETECTORS` and `LOCALIZERS`; None for all that the format has.
        format: "saved_model", or one of `FILES`.

    Returns:
        Dict of name -> the largest difference, relative to the largest value or in pixels; and the export's bytes.

    Raises:
        ArgumentError: for an unknown name.
    """
    boxes = DETECTORS | LOCALIZERS if format == SAVED_MODEL else {}
    models, results = models or [*names(), *boxes], {}
    for name in models:
        if name not in boxes:
            find(name)
    with Progress(len(models), "exporting", "nets") as progress:
        for name in models:
            with tempfile.TemporaryDirectory() as folder:
                differences, size = _differences(name, folder, format)
            keras.backend.clear_session()
            results[name] = max(differences.values()), size
            progress.update(1)
    return results


def table(results: Mapping[str, tuple[float, int]]) -> str:
    """Returns the results of `compare` as a table in Markdown."""
    lines = [f"| `{name}` | {difference:.1e} | {size / 1e6:.1f} |" for name, (difference, size) in results.items()]
    return "\n".join(["| net | largest difference | MB |", "|---|---|---|", *lines])


def _differences(name, folder, format):
    if format != SAVED_MODEL:
        return portable_differences(name, folder, format)
    if name in LOCALIZERS:
        return localizer_differences(name, folder)
    return (detector_differences if name in DETECTORS else classifier_differences)(name, folder)
