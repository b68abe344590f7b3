"""Exports of runs: complete or not there, and as good as the evaluation."""

import json
import pathlib
import random
import time

import numpy as np
import pytest
import tensorflow as tf
from configurations import classification_config
from narrow_detectors import assert_same
from PIL import Image
from processes import start
from rectangles import make_task, rectangle_dataset

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.serving import SavedModelSession
from keras_resnets.serving.predict_requests import read_warmup
from keras_resnets.serving.saved_model import publish
from keras_resnets.serving.versions import versions
from trainers.data.registry import open_dataset
from trainers.engine import train
from trainers.engine.checkpoints import Checkpoints, trained_model
from trainers.engine.run_folder import RunFolder
from trainers.serving.export import export
from trainers.serving.predictions import limit_note
from trainers.tasks.classification import Classification
from trainers.tasks.detection import Detection

pytestmark = pytest.mark.numerics
ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """An untrained run: one step."""
    dataset = open_dataset("digits")
    config = classification_config("cifar_resnet8", "digits", dataset, "digits", steps=1, batch_size=8)
    task, run = Classification(config, dataset), RunFolder(tmp_path_factory.mktemp("run") / "run")
    train.train(task, run)
    return run


@pytest.mark.slow
def test_an_export_that_is_killed_leaves_a_whole_version_or_none(run, tmp_path):
    base, moments = tmp_path / "export", random.Random(0)
    command = ["-m", "trainers.export", f"--model_dir={run.path}", f"--output={base}"]
    began = time.monotonic()
    start(command).communicate()
    whole = time.monotonic() - began
    for _ in range(20):
        process = start(command)
        time.sleep(whole * moments.uniform(0.3, 1.0))
        process.kill()
        process.communicate()
    found = versions(base)
    assert found[0] == 1 and found == list(range(1, len(found) + 1))
    for version in found:
        session = SavedModelSession(base / str(version))
        assert session("serving_default", images=np.zeros((1, 32, 32, 3), np.uint8))["probabilities"].shape == (1, 10)
        assert len(read_warmup(base / str(version))) == 3
    assert {path.name for path in base.iterdir()} <= {".partial", *map(str, found)}
    export(run, base)
    assert not (base / ".partial").exists()  # Nothing of the killed ones is left.


def test_exported_weights_are_a_builders(run, tmp_path):
    file = export(run, tmp_path, format="weights") / "model.weights.h5"
    net = keras_resnets.create_model("cifar_resnet8", weights=file)
    trained = trained_model(Classification(run.config(), None), run)
    for got, expected in zip(net.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_settings_that_a_format_cannot_have_are_refused(run, tmp_path):
    for name, value in {"stages": ["conv4_out"], "batch_size": 2, "warmup": True}.items():
        with pytest.raises(ArgumentError) as error:
            export(run, tmp_path / "export", format="weights", **{name: value})
        assert str(error.value) == f"--{name} is for --format=saved_model, not --format=weights: leave it out."
    assert not (tmp_path / "export").exists()


def test_two_exports_do_not_meet(run, tmp_path):
    def write(path):
        with pytest.raises(ArgumentError, match=f"{tmp_path} is being written to by another export"):
            export(run, tmp_path)
        (path / "saved_model.pb").touch()

    assert publish(tmp_path, None, write) == tmp_path / "1"
    assert export(run, tmp_path) == tmp_path / "2"


def test_bytes_are_answered_as_the_evaluation_answers(tmp_path):
    values = np.random.default_rng(0)
    for i in range(54):
        small = values.integers(0, 256, (values.integers(3, 9), values.integers(3, 9), 3), dtype=np.uint8)
        path = tmp_path / f"{'train' if i < 4 else 'val'}/{'ab'[i % 2]}/{i:02}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        size = tuple(int(side) for side in values.integers(20, 200, 2))
        Image.fromarray(small).resize(size).save(path, quality=80)
    dataset = open_dataset(f"folder:{tmp_path}")
    config = classification_config(
        "cifar_resnet8", f"folder:{tmp_path}", dataset, "imagenet", steps=1, batch_size=4, image_size=32
    )
    task = Classification(config, dataset)
    model = task.build_for_export()
    evaluated = [
        model(task.preprocessing.normalize(batch["image"]), training=False)[: int(np.sum(batch["weight"]))]
        for batch in task.evaluation_batches()
    ]
    files = sorted(tmp_path.glob("val/*/*.jpg"))
    session = SavedModelSession(task.export(model, tmp_path / "export", None))
    answers = session("image_bytes", image_bytes=[file.read_bytes() for file in files])
    assert len(files) == 50 and set(answers["status"]) == {b"OK"}
    np.testing.assert_allclose(answers["probabilities"], np.concatenate(evaluated), atol=1e-3)
    best = np.argsort(-np.concatenate(evaluated), axis=1)
    np.testing.assert_array_equal(answers["classes"], best)
    assert np.ptp(answers["probabilities"][:, 0]) > 1e-3  # The images differ.


def test_bfloat16_halves_the_weights_and_says_nearly_the_same(run, tmp_path):
    paths = [export(run, tmp_path / name, precision=name) for name in ("float32", "bfloat16")]
    sizes = [(path / "saved_model.pb").stat().st_size for path in paths]
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    answers = [SavedModelSession(path)("serving_default", images=images)["probabilities"] for path in paths]
    numbers = keras_resnets.create_model("cifar_resnet8", input_shape=(32, 32, 3)).count_params()
    assert sizes[0] - sizes[1] > 0.95 * 2 * numbers and answers[1].dtype == np.float32
    np.testing.assert_allclose(answers[1], answers[0], atol=0.05)
    assert np.max(np.abs(answers[1] - answers[0])) > 1e-6


@pytest.fixture(scope="module")
def detectors(tmp_path_factory):
    """The task of two runs of Faster R-CNN that have learned nothing yet, and these."""
    folder, runs = tmp_path_factory.mktemp("detectors"), []
    for seed in (0, 1):
        task = make_task(rectangle_dataset(2, seed=0), steps=1, batch_size=2, seed=seed)
        runs.append(RunFolder(folder / str(seed)))
        runs[-1].begin(task.config)
        Checkpoints(tf.train.Checkpoint(model=task.build_model()), runs[-1].checkpoints).save(0)
    return task, runs


@pytest.mark.slow
def test_the_limits_of_a_detector_are_set_at_export(detectors, tmp_path):
    task, (run, _) = detectors
    limits = {"max_detections": 7, "score_threshold": 0.0, "nms_threshold": 0.9}
    session = SavedModelSession(export(run, tmp_path / "export", options=limits))
    assert session.description == limits
    batch = next(iter(task.evaluation_batches()))
    images = batch["images"].numpy().astype(np.uint8)
    configured = Detection(Detection.with_options(task.config, limits))
    expected = trained_model(configured, run)(task.inputs(batch))
    answer = session("serving_default", images=images)
    assert answer["boxes"].shape == (len(images), 7, 4)
    assert_same(answer, {name: value.numpy() for name, value in expected.items()}, 1e-4)


def test_the_limits_of_the_repositorys_detector():
    session = SavedModelSession(ROOT / "saved_models" / "faster_rcnn_digit_scenes")
    trained = json.loads((ROOT / "docs" / "experiments" / "digit_scenes" / "config.json").read_text())["options"]
    limits = {"score_threshold": trained["score_threshold"], "nms_threshold": trained["detection_iou"]}
    assert session.description == {"max_detections": trained["max_detections"], **limits}
    for signature in session.signatures.values():
        assert signature.outputs["boxes"].tensor_shape.dim[1].size == session.description["max_detections"]
    answers = [{"file": "few.png", "scores": [0.9]}, {"file": "many.png", "scores": [0.9] * 50 + [0.4] * 50}]
    note = limit_note(session, answers, score=0.3)
    assert note.startswith("1 of 2 images have 100 detections, all that the export returns, for example many.png: more")
    assert limit_note(session, answers, score=0.5) is None  # All that are shown have been found.
    assert SavedModelSession(ROOT / "saved_models" / "cifar_resnet20_digits").description == {}


def test_limits_that_cannot_work(detectors, run, tmp_path, run_command):
    with pytest.raises(ArgumentError, match="--max_detections=7 is for runs of trainers.detection: leave it out."):
        export(run, tmp_path / "export", options={"max_detections": 7})
    process = run_command("trainers.export", f"--model_dir={detectors[1][0].path}", "--max_detections=0")
    assert process.returncode == 1
    assert process.stderr.splitlines()[-1] == "error: --max_detections=0 must be a positive integer."


@pytest.mark.slow
def test_detectors_are_exported_as_one(detectors, tmp_path):
    task, runs = detectors
    path = export(runs[0], tmp_path / "export", ensemble=[str(runs[1].path)])
    ensemble = task.ensemble([trained_model(task, run) for run in runs])
    batch = next(iter(task.evaluation_batches()))
    expected = ensemble(task.inputs(batch))
    answer = SavedModelSession(path)("serving_default", images=batch["images"].numpy().astype(np.uint8))
    assert_same(answer, {name: value.numpy() for name, value in expected.items()}, 1e-4)


def test_what_cannot_be_an_ensemble(detectors, run, tmp_path):
    first, second = detectors[1]
    with pytest.raises(ArgumentError, match=f"--ensemble={second.path} is for runs of trainers.detection: leave it"):
        export(run, tmp_path / "export", ensemble=[str(second.path)])
    with pytest.raises(ArgumentError, match=f"--ensemble={run.path} is a run of trainers.classification, and"):
        export(first, tmp_path / "export", ensemble=[str(run.path)])
    with pytest.raises(ArgumentError, match="--ensemble=nothing is no run: give runs as DIR, separated by commas."):
        export(first, tmp_path / "export", ensemble=["nothing"])
    with pytest.raises(ArgumentError, match=f"--ensemble={first.path} is the run of --model_dir itself: give other"):
        export(first, tmp_path / "export", ensemble=[str(second.path), str(first.path)])
    for name, change, problem in [
        ("large", {"resizing": {**first.config()["resizing"], "short_side": 128}}, "they resize images to different"),
        ("fast", {"system": "fast_rcnn"}, "both must be of Faster R-CNN, leave it out."),
    ]:
        other = RunFolder(tmp_path / name)
        other.begin({**first.config(), **change})
        with pytest.raises(ArgumentError, match=f"--ensemble={other.path} cannot join {first.path}: {problem}"):
            export(first, tmp_path / "export", ensemble=[str(other.path)])
    assert not (tmp_path / "export").exists()


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"stages": ["conv4_out"]}, "--stages=conv4_out is for runs of trainers.classification: leave it out."),
        ({"format": "onnx"}, "--format=onnx is for runs of trainers.classification: leave it out."),
    ],
)
def test_what_an_export_of_a_detector_cannot_have(settings, message, detectors, tmp_path):
    with pytest.raises(ArgumentError) as error:
        export(detectors[1][0], tmp_path / "export", **settings)
    assert str(error.value) == message
    assert not (tmp_path / "export").exists()
