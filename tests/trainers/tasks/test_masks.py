"""Mask R-CNN in runs: from COCO's files to masks of predictions."""

import json

import numpy as np
import pytest
import tensorflow as tf
from configurations import detection_config
from diamonds import HEIGHT, LABELS, WIDTH, write_diamonds
from PIL import Image
from rectangles import STAGES
from torchvision_detectors import write_detector

import keras_resnets
from keras_resnets.detection.resizing import Resizing
from keras_resnets.serving import SavedModelSession
from trainers.data.registry import open_detection_dataset
from trainers.engine.predictor import predictor
from trainers.engine.run_folder import RunFolder
from trainers.engine.train import train
from trainers.metrics.masks import decode
from trainers.tasks.detection import Detection

pytestmark = pytest.mark.numerics
SMALL = {"fpn_filters": 16, "rpn_filters": 16, "head_units": 32, "train_pre_nms_topk": 100, "test_pre_nms_topk": 100}
SMALL |= {"train_post_nms_topk": 50, "test_post_nms_topk": 20, "roi_batch_size": 16}
NARROW = {**SMALL, "mask_filters": 16, "anchor_sizes": (16, 24, 32, 48), "anchor_ratios": (1.0,)}


@pytest.fixture
def diamonds(tmp_path, request):
    """The value of --dataset, and the open data set, of four images or as many as are asked for."""
    name = write_diamonds(tmp_path, getattr(request, "param", 4))
    return name, open_detection_dataset(name, masks=True)


def make_task(diamonds, **changes):
    name, dataset = diamonds
    resizing = Resizing(HEIGHT, WIDTH, (HEIGHT, WIDTH))
    names = {"system": "mask_rcnn_fpn", "batch_size": 2, "resizing": resizing, **STAGES, **changes}
    options = {**NARROW, **names.pop("options", {})}
    return Detection(detection_config("resnet", name, dataset, "digit_scenes", options=options, **names), dataset)


@pytest.mark.parametrize("augmentation", ["none", "large_scale_jitter_and_flip"])
def test_batches_have_the_masks_of_their_objects(diamonds, augmentation):
    task = make_task(diamonds, augmentation=augmentation)
    batch = next(iter(task.training_batches(0, tf.distribute.InputContext())))
    assert batch["masks"].shape == (2, 2, 56, 56) and batch["masks"].dtype == tf.float16
    is_there = batch["classes"].numpy() >= 0
    shares = np.mean(batch["masks"], axis=(2, 3))
    assert is_there.any() and np.all(shares[~is_there] == 0) and np.all(shares[is_there] > 0)
    if augmentation == "none":  # A diamond fills half of its box.
        np.testing.assert_allclose(shares[is_there], 0.5, atol=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("diamonds", [24], indirect=True)  # An epoch ends with an evaluation.
def test_masks_are_learned_evaluated_and_exported(diamonds, tmp_path):
    """Masks of diamonds are learned by heart; the export pastes the same ones."""
    task = make_task(diamonds, steps=90, batch_size=4, learning_rate=3e-3, warmup_steps=6, validation_losses=True)
    run = RunFolder(tmp_path / "run")
    results = train(task, run)
    assert results["segm_map_50"] > 0.8 and results["mask_loss"] < 0.4
    assert "of masks" in task.summary(results) and task.title.startswith("Mask R-CNN with FPN (resnet)")
    again = Detection.open_dataset(run.config(), run.config()["dataset"], None, False)
    model = Detection(run.config(), again).build_for_export()
    session = SavedModelSession(task.export(model, tmp_path / "export", None))
    image = np.asarray(Image.open(tmp_path / "0.png"))[np.newaxis]
    found = session("pasted_masks", images=image)
    assert found["masks"].shape[2:] == (HEIGHT, WIDTH)
    predicted = predictor(task, model, tf.distribute.get_strategy())()
    count = np.count_nonzero(predicted["classes"][0] >= 0)
    assert count == found["num_detections"][0] > 0
    for runs, pasted in zip(predicted["masks"][0, :count], found["masks"][0]):
        assert np.mean(decode(runs, HEIGHT, WIDTH) != pasted) < 0.01


def test_a_file_of_torchvision_starts_the_masks_of_other_classes(diamonds, tmp_path):
    backbone = keras_resnets.ResNet(STAGES["block_counts"], STAGES["filters"], include_top=False)
    source = keras_resnets.MaskRCNN(5, backbone, train_batch_norm=True, **NARROW)
    write_detector(tmp_path / "weights.safetensors", source)
    start = {"init_weights": str(tmp_path / "weights.safetensors"), "detector": "mask_rcnn_resnet50_fpn"}
    task = make_task(diamonds, **start, options={"roi_aligned": True})
    model = task.build_model()
    note = task.initialize(model)
    assert "mask_logits, box_deltas, class_logits are initialized at random" in note
    for name in ("mask_conv1", "mask_conv4", "mask_deconv"):
        for value, expected in zip(
            model.mask_head.get_layer(name).get_weights(), source.mask_head.get_layer(name).get_weights()
        ):
            np.testing.assert_allclose(value, expected, rtol=1e-6)


def test_an_ensemble_with_a_mask_rcnn_has_boxes_only(diamonds):
    task = make_task(diamonds)
    model = task.build_model()
    assert Detection.ensemble_problem(task.config, {**task.config, "system": "faster_rcnn_fpn"}, diamonds[0]) is None
    found = task.predictions(task.ensemble([model, model]), next(iter(task.evaluation_batches())))
    predictions = task.condensed({name: values.numpy() for name, values in found.items()})
    assert "masks" not in predictions and "segm_map" not in task.metrics(predictions)


def test_data_without_masks_end_in_one_line(tmp_path, run_command):
    flags = ["--system=mask_rcnn_fpn", "--dataset=voc:PATH", f"--model_dir={tmp_path / 'run'}"]
    process = run_command("trainers.detection", *flags)
    assert process.returncode == 1 and "--dataset=voc:PATH has no masks of its objects" in process.stderr


@pytest.mark.slow
def test_train_evaluate_export_predict(tmp_path, run_command):
    def run(module, *arguments):
        process = run_command(module, *arguments)
        assert process.returncode == 0, process.stderr
        return process.stdout

    name, model_dir = write_diamonds(tmp_path, 3), tmp_path / "run"
    sizes = ["--backbone=resnet", "--block_counts=1,1,1", "--filters=8,16,32", "--short_side=96", "--long_side=128"]
    sizes += [f"--{option}={value}" for option, value in SMALL.items()]
    sizes += ["--anchor_sizes=16,24,32,48", "--mask_filters=16", "--steps=3", "--recipe=digit_scenes"]
    flags = ["--system=mask_rcnn_fpn", f"--dataset={name}", f"--model_dir={model_dir}"]
    assert "of masks" in run("trainers.detection", *flags, *sizes)
    assert "of masks" in run("trainers.evaluate", f"--model_dir={model_dir}")
    results = [json.loads((model_dir / f"{file}.json").read_text()) for file in ("results", "evaluation")]
    assert results[0]["segm_map"] == results[1]["segm_map"] is not None
    export = run("trainers.export", f"--model_dir={model_dir}", f"--output={tmp_path / 'export'}").strip()
    found = [f"--export={export}", "--json", f"--output={tmp_path / 'found'}", "--score=0"]
    (answer,) = json.loads(run("trainers.predict", *found, tmp_path / "0.png"))
    assert len(answer["masks"]) == len(answer["boxes"]) > 0 and set(answer["labels"]) <= set(LABELS)
    assert all(decode(one["counts"].encode(), *one["size"]).shape == (HEIGHT, WIDTH) for one in answer["masks"])
    assert np.asarray(Image.open(tmp_path / "found" / "0.png")).shape == (HEIGHT, WIDTH, 3)
