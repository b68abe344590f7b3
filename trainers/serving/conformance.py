"""Comparison of exports with the nets they were made from: the same inputs must give the same outputs."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

import keras_resnets
from keras_resnets.detection.localizer import localize_in_two_stages
from keras_resnets.detection.resizing import Resizing, to_original
from keras_resnets.errors import ArgumentError
from keras_resnets.models.registry import find
from keras_resnets.preprocessing import Preprocessing, decode
from keras_resnets.serving import (
    SavedModelSession,
    export_classifier,
    export_detector,
    export_localizer,
    export_portable,
)
from keras_resnets.serving.export import PASTED_MASKS
from keras_resnets.serving.formats import FILES
from keras_resnets.serving.predict_requests import arrays, read_warmup
from keras_resnets.surgery.graph import batch_normalizations
from keras_resnets.weights.family import CLASSIFIER
from trainers.runtime.choices import SAVED_MODEL
from trainers.runtime.measuring import folder_bytes
from trainers.runtime.progress import Progress
from trainers.serving import c_session
from trainers.serving.conformance_models import DETECTORS, LOCALIZERS, all_names, check_name

TOLERANCE = 1e-4  # largest difference, as a share of the largest value
LARGEST_SIDE = 96  # px, of the images: the nets have their full width, their feature maps are smaller
MEAN, STD = (120, 115, 105), (60, 59, 58)
RESIZING = Resizing(LARGEST_SIDE, LARGEST_SIDE, (LARGEST_SIDE, LARGEST_SIDE))  # of detectors and localizers
LABELS = ["a", "b", "c"]


def compare(models: Sequence[str] | None, format: str) -> dict[str, tuple[float, int]]:
    """Exports nets with random weights, and compares the exports' answers with those of the nets in Keras.

    Args:
        models: names as in `export_and_compare`; None for all that have the format.
        format: "saved_model", "onnx" or "litert".

    Returns:
        The largest difference of `export_and_compare` and the size of the export in bytes, by the nets' names.

    Raises:
        ArgumentError: if a name is unknown, or a package of the format is missing.
    """
    models, results = models or all_names(format), {}
    for name in models:
        check_name(name, format)
    with Progress(len(models), "exporting", "nets") as progress:
        for name in models:
            with tempfile.TemporaryDirectory() as folder:
                differences, size = export_and_compare(name, folder, format)
            keras.backend.clear_session()
            results[name] = max(differences.values()), size
            progress.update(1)
    return results


def table(results: Mapping[str, tuple[float, int]]) -> str:
    """Returns the results of `compare` as a table in Markdown."""
    lines = [f"| `{name}` | {difference:.1e} | {size / 1e6:.1f} |" for name, (difference, size) in results.items()]
    return "\n".join(["| net | largest difference | MB |", "|---|---|---|", *lines])


def export_and_compare(name: str, folder: str | os.PathLike, format: str = SAVED_MODEL) -> tuple[dict[str, float], int]:
    """Exports a net with random weights, and compares the export's answers with those of the net in Keras.

    A SavedModel answers its warm-up requests, see `replay`; other formats answer for an image of noise.

    Args:
        name: name of a net of the registry or, for a SavedModel, a key of `DETECTORS` or `LOCALIZERS`.
        folder: folder for the export.
        format: "saved_model", "onnx" or "litert".

    Returns:
        The largest absolute differences, each as a share of the largest absolute value in Keras, and the size of the
        export in bytes. The keys of the differences are a classifier's signatures, "SIGNATURE scores", "SIGNATURE
        boxes" and "SIGNATURE masks" of a detector or localizer, or the other format.

    Raises:
        ArgumentError: if the name is unknown, or a package of the format is missing.
    """
    base = pathlib.Path(folder) / name
    if format != SAVED_MODEL:
        differences, path = _compare_portable(name, base, format)
    elif name in DETECTORS:
        differences, path = _compare_detector(name, base)
    elif name in LOCALIZERS:
        differences, path = _compare_localizer(name, base)
    else:
        differences, path = _compare_classifier(name, base)
    return differences, folder_bytes(path)


def _compare_classifier(name, base):
    model, preprocessing, labels = _classifier(name)
    features = keras.Model(model.input, model.get_layer(CLASSIFIER).input)
    path = export_classifier(model, preprocessing, labels, base, warmup=True)
    differences = {}
    for request, answer in zip(read_warmup(path), replay(path), strict=True):
        signature = request.model_spec.signature_name
        images = preprocessing(_images(request))
        key, net = ("features", features) if signature == "features" else ("probabilities", model)
        differences[signature] = _difference(answer[key], net(images, training=False).numpy())
    return differences, path


def _compare_portable(name, base, format):
    model, preprocessing, labels = _classifier(name)
    path = export_portable(model, preprocessing, labels, base, format=format)
    images = np.random.default_rng(0).uniform(0, 255, (1, preprocessing.size, preprocessing.size, 3)).astype("float32")
    expected = model(preprocessing.normalize(images), training=False).numpy()
    return {format: _difference(RUNTIMES[format](path / FILES[format], images), expected)}, path


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
    """Returns a net with random weights for small images, its preprocessing and its labels."""
    size = min(find(name).size, LARGEST_SIDE)
    model = randomize(keras_resnets.create_model(name, input_shape=(size, size, 3)))
    return model, Preprocessing(size, size, MEAN, STD), [str(i) for i in range(model.output_shape[1])]


def _compare_detector(name, base):
    model = randomize(DETECTORS[name]())
    path = export_detector(model, RESIZING, LABELS, base, warmup=True)
    return _box_differences(path, model), path


def _compare_localizer(name, base):
    localizer, *second = [randomize(stage) for stage in LOCALIZERS[name]()]
    second_stage = second[0] if second else None
    path = export_localizer(localizer, RESIZING, LABELS, base, second_stage=second_stage, warmup=True)

    def guesses(inputs):
        return localize_in_two_stages(localizer, *second, inputs) if second else localizer(inputs)

    return _box_differences(path, guesses), path


def _box_differences(path, model):
    """Returns the differences of scores and boxes between an export and a model, or a function of its inputs."""
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
        if "masks" in found and signature != PASTED_MASKS:  # These are rounded to 0 or 1.
            differences[f"{signature} masks"] = _difference(answer["masks"], found["masks"].numpy())
    return differences


def replay(path: str | os.PathLike) -> list[dict[str, np.ndarray]]:
    """Returns the answers of TensorFlow's C library to the warm-up requests of a SavedModel.

    Args:
        path: folder of a version.

    Returns:
        For each request, the outputs by their names; strings are arrays of `bytes` objects.

    Raises:
        ArgumentError: if the export is damaged, or the library reports an error.
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
    # By its path, since -m would import this package, and with it TensorFlow's Python code; -P: files beside it do not
    # hide modules of the same name.
    command = [sys.executable, "-P", c_session.__file__, str(path)]
    process = subprocess.run(command, input=json.dumps(requests), capture_output=True, text=True)
    if process.returncode:
        raise ArgumentError(f"TensorFlow's C library cannot run {path}: {process.stderr.strip()[-500:]}")
    return [{key: c_session.from_json(value) for key, value in answer.items()} for answer in json.loads(process.stdout)]


def randomize(model: keras.Model) -> keras.Model:
    """Gives batch normalization random weights and statistics, so that wrong folding shows; returns the same model."""
    random, layers = np.random.default_rng(0), list(batch_normalizations(model))
    # Smaller gammas for deep nets, whose sums of hundreds of units would overflow.
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


def _difference(actual, expected):
    return float(np.max(np.abs(actual - expected)) / np.max(np.abs(expected)))
