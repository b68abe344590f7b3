"""Exports answer in TensorFlow's C++ runtime, without Python code, as the nets do in Keras."""

import json
import subprocess
import sys

import numpy as np
import pytest

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.preprocessing import Preprocessing
from keras_resnets.serving import export_classifier
from keras_resnets.serving.predict_requests import read_warmup
from trainers.serving import c_session
from trainers.serving.conformance import TOLERANCE, export_and_compare, replay

pytestmark = pytest.mark.numerics
slow = pytest.mark.slow
QUICK_NETS = ["cifar_resnet20", "resnet18_v2"]  # the others take longer
SLOW_NETS = [
    "resnet18",
    "googlenet",
    "cifar_resnet_v2_164",
    "bn_inception",
    "inception_v3",
    "inception_v4",
    "inception_resnet_v2",
    "vgg16",
    "zfnet",
    "zfnet_spp",
]


@pytest.mark.parametrize("name", [*QUICK_NETS, *(pytest.param(name, marks=slow) for name in SLOW_NETS)])
def test_a_net_of_every_family(name, tmp_path):
    differences, _ = export_and_compare(name, tmp_path)
    assert differences.keys() == {"serving_default", "image_bytes", "features"}
    assert max(differences.values()) < TOLERANCE


@slow
@pytest.mark.parametrize(
    "name", ["faster_rcnn_resnet18_softmax", "faster_rcnn_resnet50_v2", "ensemble_resnet18_resnet18_v2"]
)
def test_a_detector(name, tmp_path):
    differences, _ = export_and_compare(name, tmp_path)
    assert len(differences) == 4 and max(differences.values()) < TOLERANCE


@slow
def test_a_detector_of_masks(tmp_path):
    differences, _ = export_and_compare("mask_rcnn_resnet18", tmp_path)
    signatures = ("serving_default", "image_bytes", "pasted_masks")
    names = {f"{signature} {output}" for signature in signatures for output in ("scores", "boxes", "masks")}
    assert names - differences.keys() == {"pasted_masks masks"}
    assert max(differences.values()) < TOLERANCE


@slow
@pytest.mark.parametrize("name", ["localizer_resnet18", "localization_rcnn_resnet18"])
def test_a_localizer(name, tmp_path):
    differences, _ = export_and_compare(name, tmp_path)
    assert len(differences) == 4 and max(differences.values()) < TOLERANCE


@pytest.mark.parametrize("format", ["onnx", "litert"])
@pytest.mark.parametrize("name", ["cifar_resnet20", pytest.param("resnet18_v2", marks=slow)])
def test_other_runtimes(name, format, tmp_path):
    differences, _ = export_and_compare(name, tmp_path, format)
    assert differences[format] < TOLERANCE
    assert (tmp_path / name / "1" / "labels.txt").read_text().splitlines()[:2] == ["0", "1"]


def test_errors_of_the_c_library_are_reported(tmp_path):
    model = keras_resnets.CifarResNet(8, classes=3)
    preprocessing = Preprocessing(32, 32, (0, 0, 0), (1, 1, 1))
    path = export_classifier(model, preprocessing, ["a", "b", "c"], tmp_path / "net", batch_size=2, warmup=True)
    assert [len(answer["status"]) for answer in replay(path) if "status" in answer] == [2]
    names = [request.model_spec.signature_name for request in read_warmup(path)]
    assert names == ["serving_default", "image_bytes", "features"]
    wrong = [{"inputs": {"image_bytes_image_bytes": c_session.to_json(np.array([b""] * 3, object))}, "outputs": {}}]
    process = subprocess.run(
        [sys.executable, c_session.__file__, str(path)], input=json.dumps(wrong), capture_output=True, text=True
    )
    assert process.returncode == 1 and "RuntimeError" in process.stderr
    (path / "saved_model.pb").write_bytes(b"nothing")
    with pytest.raises(ArgumentError, match="1 is not a complete SavedModel"):
        replay(path)


@pytest.mark.parametrize("array", [np.arange(6, dtype=np.int64).reshape(2, 3), np.array([[b"a\0"], [b""]], object)])
def test_arrays_survive_json(array):
    again = c_session.from_json(json.loads(json.dumps(c_session.to_json(array))))
    assert again.dtype == array.dtype
    np.testing.assert_array_equal(again, array)
