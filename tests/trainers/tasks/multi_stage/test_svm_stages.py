"""R-CNN's stages: what they learn, and that they survive being killed."""

import time

import numpy as np
import pytest
import sklearn.svm
from processes import SUPPORT, finish, start
from staged_run import staged_task

from keras_resnets import ArgumentError
from keras_resnets.ops import boxes
from trainers.engine.checkpoints import restore_model
from trainers.engine.run_folder import RunFolder
from trainers.engine.train import train
from trainers.runtime.atomic_files import read_arrays, write_arrays
from trainers.tasks.multi_stage import box_regression, svms

RANDOM = np.random.default_rng(0)


def write_files(folder, count, windows=60, features=8):
    """Writes files as `write_features` does, of one object of class 0 or 1 and windows anywhere; returns the paths."""
    files = []
    for index in range(count):
        corners = RANDOM.uniform(0, 80, (windows, 2))
        regions = np.concatenate([corners, corners + RANDOM.uniform(10, 40, (windows, 2))], axis=1).astype("float32")
        regions[1] = regions[0] + 1
        label = index % 2
        vectors = RANDOM.normal(size=(windows, features)).astype("float32")
        vectors[:2, label] += 3
        pooled = np.concatenate([boxes.encode(regions[:1], regions[:2]).numpy(), np.ones((2, 1))], axis=1)
        files.append(folder / f"{index}.npz")
        write_arrays(
            files[-1],
            features=vectors,
            regions=regions,
            true_boxes=regions[:1],
            true_classes=np.int32([label]),
            trained_on=np.array([True]),
            pooled=pooled.astype("float32"),
            objects=np.int32([[0, 0], [1, 0]]),
        )
    return files


def test_svms_are_those_of_all_negatives_that_matter(tmp_path, monkeypatch):
    files = write_files(tmp_path, 40)
    monkeypatch.setattr(svms, "NEW_NEGATIVES", 300)
    kernel, bias = svms.train(files, 3, tmp_path / "svms.npz", 0.3)
    arrays = [read_arrays(file) for file in files]
    scale = svms.MEAN_NORM / np.mean([np.linalg.norm(a["features"], axis=1) for a in arrays])
    for label in range(2):
        positives = np.array([a["features"][0] for a in arrays if a["true_classes"] == label])
        negatives = []
        for a in arrays:
            overlaps = boxes.iou(a["regions"], a["true_boxes"]).numpy()[:, 0] * (a["true_classes"] == label)
            negatives.append(a["features"][overlaps < 0.3])
        x = scale * np.concatenate([positives, *negatives])
        y = np.arange(len(x)) < len(positives)
        arguments = {"loss": "hinge", "C": 1e-3, "class_weight": {1: 2}, "intercept_scaling": 10, "max_iter": 100_000}
        svm = sklearn.svm.LinearSVC(**arguments, random_state=0).fit(x, y)
        expected = svm.decision_function(x)
        found = x / scale @ kernel[:, label] + bias[label]
        assert np.corrcoef(found, expected)[0, 1] > 0.999
        np.testing.assert_allclose(found, expected, rtol=0, atol=0.05)
    assert not kernel[:, 2].any() and bias[2] == svms.NEVER


def test_mining_that_was_interrupted_gives_the_same_svms(tmp_path, monkeypatch):
    files = write_files(tmp_path, 20)
    monkeypatch.setattr(svms, "NEW_NEGATIVES", 150)
    monkeypatch.setattr(svms, "IMAGES_BETWEEN_SAVES", 4)
    whole = svms.train(files, 2, tmp_path / "svms.npz", 0.3)
    assert not (tmp_path / "svm_mining.npz").exists()
    (tmp_path / "svms.npz").unlink()
    arrays = read_arrays(files[14])
    write_arrays(files[14], **{name: array for name, array in arrays.items() if name != "regions"})
    with pytest.raises(ArgumentError, match="14.npz is damaged"):
        svms.train(files, 2, tmp_path / "svms.npz", 0.3)
    write_arrays(files[14], **arrays)
    assert read_arrays(tmp_path / "svm_mining.npz")["images"] == 12
    for one, other in zip(whole, svms.train(files, 2, tmp_path / "svms.npz", 0.3)):
        np.testing.assert_array_equal(one, other)


def test_negatives_that_overlap_each_other_are_left_out():
    regions = np.float32([[0, 0, 10, 10], [0, 0, 10, 11], [0, 0, 10, 14], [30, 0, 40, 10], [0, 0, 10, 10]])
    # The second, of 10/11, and the last are like the first; the third has 10/14 with it, and 11/14 with the second.
    ious = boxes.iou(regions, regions).numpy()
    assert svms.apart(ious > 0.8).tolist() == [0, 2, 3]
    assert svms.apart(ious > 0.7).tolist() == [0, 3]


def test_regressors_learn_what_is_linear(tmp_path, monkeypatch):
    monkeypatch.setattr(box_regression, "ALPHA", 1e-6)
    files = write_files(tmp_path, 60)
    stds = (0.1, 0.1, 0.2, 0.2)
    kernel, bias = box_regression.train(files, 3, tmp_path / "box_regressors.npz", stds)
    assert not kernel[:, 8:].any() and not bias[8:].any()  # of the class without objects
    for file in files:
        arrays = read_arrays(file)
        # Here the pooled features are the deltas themselves.
        label = arrays["true_classes"][0]
        found = (arrays["pooled"] @ kernel + bias).reshape(2, 3, 4)[:, label] * stds
        np.testing.assert_allclose(found, arrays["pooled"][:, :4], rtol=0, atol=1e-4)
    again = box_regression.train([], 3, tmp_path / "box_regressors.npz", stds)  # From the file alone.
    np.testing.assert_array_equal(again[0], kernel)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The task, the run and the results of a tiny R-CNN that was trained in all stages."""
    folder = tmp_path_factory.mktemp("staged")
    task, run = staged_task(folder, steps=100), RunFolder(folder / "run")
    return task, run, train(task, run)


def test_the_stages_learn(trained):
    task, run, results = trained
    assert list(results["stages"]) == ["fine_tuning", "features", "svms", "box_regressors"]
    assert results["map_50"] > 0.9 and results["seconds"] == sum(results["stages"].values())
    fine_tuned = RunFolder(run.path / "fine_tuning").results()
    assert fine_tuned["map_50"] > 0.5 and results["map"] > fine_tuned["map"]  # Boxes are corrected now.
    assert train(task, run) == results
    model = task.build_model()
    restore_model(model, run)
    svm = read_arrays(run.path / "svms.npz")
    np.testing.assert_array_equal(model.linear.get_layer("svms").kernel, svm["kernel"])


def test_files_of_features_have_what_the_detector_sees(trained):
    task, run, _ = trained
    model = task.build_model()
    restore_model(model, RunFolder(run.path / "fine_tuning"))
    example = next(iter(task.evaluation_batches()))
    arrays = read_arrays(run.path / "features" / f"{int(example['index'][0]):07}.npz")
    regions = arrays["regions"]
    inputs = {name: example[name][:1] for name in ("images", "image_shapes")}
    maps = model.features(inputs)
    features, pooled = model.linear_features(maps, model.pool_scales(maps, regions[np.newaxis]), inputs["image_shapes"])
    np.testing.assert_allclose(arrays["features"], features[0], rtol=0, atol=1e-4)
    rows, objects = arrays["objects"].T
    np.testing.assert_allclose(arrays["pooled"], pooled.numpy()[0, rows], rtol=0, atol=1e-4)
    objects_there = int(np.sum(example["true_classes"][0] >= 0))
    np.testing.assert_array_equal(regions[:objects_there], arrays["true_boxes"])  # The objects are the first regions.
    ious = boxes.iou(regions, arrays["true_boxes"]).numpy()
    np.testing.assert_array_equal(rows, np.flatnonzero(ious.max(axis=1) >= 0.6))
    np.testing.assert_array_equal(objects, ious[rows].argmax(axis=1))


def kill_when_there_is(folder, pattern):
    """Runs the program until a file has appeared, and kills it then; whether that was before its end."""
    process = start([SUPPORT / "staged_run.py", folder])
    while process.poll() is None and not any((folder / "run").glob(pattern)):
        time.sleep(0.002)
    process.kill()
    process.communicate()
    return not (folder / "run" / "results.json").exists()


@pytest.mark.slow
def test_killed_between_and_inside_stages(tmp_path):
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    finish(start([SUPPORT / "staged_run.py", tmp_path / "whole"]))
    stages = "fine_tuning/checkpoints/ckpt-*", "features/0000004.npz", "svm_mining.npz", "svms.npz"
    for pattern in stages:
        assert kill_when_there_is(tmp_path / "parts", pattern)
    finish(start([SUPPORT / "staged_run.py", tmp_path / "parts"]))
    for name in ("svms.npz", "box_regressors.npz"):
        whole, parts = (read_arrays(tmp_path / run / "run" / name) for run in ("whole", "parts"))
        assert whole.keys() == parts.keys()
        for key, value in whole.items():
            np.testing.assert_array_equal(value, parts[key])
