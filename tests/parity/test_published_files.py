"""The table of published files against what torchvision and timm state, and a tag against timm's net and transform."""

import importlib.util
import io
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from hub_cache import repository, use_cache
from photos import photos
from PIL import Image

import keras_resnets
from keras_resnets.detection.coco import LABELS
from keras_resnets.detection.registry import DETECTORS
from keras_resnets.preprocessing import Preprocessing, decode
from keras_resnets.weights.model_config import OTHERS, read_config
from keras_resnets.weights.published_files import TIMM
from keras_resnets.weights.published_files import TORCHVISION as FOLDER_OF_FILES

FOLDER = pathlib.Path(__file__).parent
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(library) is None for library in ("torch", "torchvision", "timm")),
        reason="PyTorch is not installed: pip install '.[test,parity]'",
    ),
]


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """What torchvision and timm state: see `library_weights.py`."""
    path = tmp_path_factory.mktemp("libraries") / "rows.json"
    subprocess.run([sys.executable, FOLDER / "library_weights.py", path], check=True)
    return json.loads(path.read_text())


def rows_of(source):
    return [row for row in keras_resnets.list_weights() if row.source == source]


def assert_same_normalization(row, stated):
    np.testing.assert_allclose(row.normalization.mean, 255 * np.array(stated["mean"]), rtol=1e-5)
    np.testing.assert_allclose(row.normalization.std, 255 * np.array(stated["std"]), rtol=1e-5)
    assert not row.normalization.bgr


def test_every_row_of_timm_is_what_timm_states(libraries):
    stated = {row["tag"]: row for row in libraries["timm"] if row["tag"].partition(".")[0] in TIMM}
    rows = {row.tag: row for row in rows_of("timm")}
    assert rows.keys() == stated.keys() and len(rows) == 56
    for tag, row in rows.items():
        theirs = stated[tag]
        assert row.net == TIMM[tag.partition(".")[0]]
        assert (row.file, theirs["file"]) == (theirs["repository"], None)  # None is model.safetensors.
        assert [row.size, row.size] == theirs["size"] and theirs["crop_mode"] == "center"
        assert (row.crop, row.pillow_filter) == (theirs["crop"], theirs["pillow_filter"])
        assert (row.classes, row.license) == (theirs["classes"], theirs["license"])
        assert_same_normalization(row, theirs)


def test_every_row_of_torchvision_is_what_torchvision_states(libraries):
    stated = {(row["file"], row["tag"]): row for row in libraries["torchvision"]}
    rows = {(row.file, row.tag): row for row in rows_of("torchvision")}
    assert rows.keys() == stated.keys()
    for key, row in rows.items():
        theirs = stated[key]
        assert row.net in (theirs["net"], f"{theirs['net']}_v1_5")
        assert ([row.size], [int(row.size / row.crop)]) == (theirs["size"], theirs["short_side"])
        assert (row.pillow_filter, row.top1) == (theirs["pillow_filter"], theirs["top1"])
        assert row.file.endswith(f"-{row.checksum}.pth")
        assert row.classes == (1000 if theirs["top1"] else 0)
        assert_same_normalization(row, theirs)


def test_every_detector_is_what_torchvision_states(libraries):
    stated = {row["file"]: row for row in libraries["detectors"]}
    rows = {f"{FOLDER_OF_FILES}/{row.file}": (name, row) for name, row in DETECTORS.items()}
    assert rows.keys() == stated.keys() and len(rows) == 4
    for file, (name, row) in rows.items():
        theirs = stated[file]
        assert name.replace("_rcnn", "rcnn") == theirs["net"]
        assert row.file.endswith(f"-{row.checksum}.pth")
        assert (row.box_ap, row.mask_ap) == (theirs["box_ap"], theirs["mask_ap"])
        assert ["__background__", *LABELS] == theirs["labels"]


def test_accuracies_of_timms_copies_are_those_of_torchvisions_files(libraries):
    addresses = {row["tag"]: row["address"] for row in libraries["timm"]}
    measured = {row["file"]: row for row in libraries["torchvision"]}
    with_top1 = [row for row in rows_of("timm") if row.top1 is not None]
    assert len(with_top1) == 5
    for row in with_top1:
        theirs = measured[addresses[row.tag]]
        assert (row.top1, [int(row.size / row.crop)]) == (theirs["top1"], theirs["short_side"])


def test_nets_with_the_same_tensors_and_another_function_are_refused_by_name(libraries, tmp_path):
    tensors = libraries["tensors"]
    digests = {tensors[name] for name in TIMM}
    assert {"resnetaa50", "resnetblur50"} <= {name for name in tensors if tensors[name] in digests and name not in TIMM}
    for name in tensors:
        (tmp_path / "config.json").write_text(json.dumps({"architecture": name}))
        if name in TIMM or name in OTHERS:
            assert read_config(tmp_path / "model.safetensors").classes == 1000
        else:
            with pytest.raises(keras_resnets.ArgumentError, match=f"is timm's '{name}' by the config.json beside it"):
                read_config(tmp_path / "model.safetensors")


def test_a_tag_gives_what_timms_net_and_transform_give(tmp_path, monkeypatch):
    files = {}
    for i, (image, _) in enumerate(photos(4, seed=0)):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=90)
        files[f"photo{i}"] = np.frombuffer(file.getvalue(), np.uint8)
    np.savez(tmp_path / "photos.npz", **files)
    use_cache(monkeypatch, tmp_path)
    snapshot = repository(tmp_path, "timm/resnet50.a1_in1k")
    program = FOLDER / "timm_repository.py"
    subprocess.run([sys.executable, program, "resnet50.a1_in1k", tmp_path / "photos.npz", snapshot], check=True)
    with np.load(snapshot / "answers.npz") as answers:
        inputs, probabilities = answers["inputs"], answers["probabilities"]
    size = 288  # that of timm for tests
    ours = Preprocessing(size, size * 8 // 7, (120, 120, 120), (60, 60, 60))
    for weights in ("timm:resnet50.a1_in1k", "hf://timm/resnet50.a1_in1k", snapshot / "model.safetensors"):
        model = keras_resnets.ResNet50V1_5(weights=weights, input_shape=(size, size, 3))
        np.testing.assert_allclose(model(inputs), probabilities, atol=1e-4)
        preprocessing = ours.for_weights("resnet50_v1_5", weights)
        images = [preprocessing(decode(tf.constant(file.tobytes()), exact=True)) for file in files.values()]
        differences = np.abs(np.stack(images) - inputs) * preprocessing.std  # in 0..255
        assert differences.max() < 2.01 and differences.mean() < 0.05
    assert probabilities.max() > 0.05  # not the same for all classes
