"""Feature pyramids and published detectors in runs: options, starting weights, training and export."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from configurations import detection_config
from rectangles import LABELS, STAGES, rectangle_dataset, rectangles
from torchvision_detectors import write_detector

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.detection.resizing import TORCHVISION, Resizing
from keras_resnets.serving import SavedModelSession
from keras_resnets.surgery.graph import leaf_layers
from trainers.engine.run_folder import RunFolder
from trainers.engine.train import train
from trainers.tasks.detection import Detection

pytestmark = pytest.mark.numerics
SMALL = {"fpn_filters": 16, "rpn_filters": 16, "head_units": 32, "train_pre_nms_topk": 100, "test_pre_nms_topk": 100}
SMALL |= {"train_post_nms_topk": 50, "test_post_nms_topk": 20, "roi_batch_size": 16}
DETECTOR = "faster_rcnn_resnet50_fpn"


def make_task(recipe="digit_scenes", **changes):
    dataset = rectangle_dataset(4, seed=1)
    options = {**SMALL, "anchor_sizes": (8, 16, 32, 64), **changes.pop("options", {})}
    names = {"system": "faster_rcnn_fpn", "batch_size": 2, **STAGES, **changes}
    return Detection(detection_config("resnet", "rectangles", dataset, recipe, options=options, **names), dataset)


def of_photos(recipe, **changes):
    dataset = dataclasses.replace(rectangle_dataset(2, seed=1), side=None)
    return detection_config(
        "resnet50_v1_5", "photos", dataset, recipe, system="faster_rcnn_fpn", batch_size=1, **changes
    )


@pytest.mark.slow
def test_a_pyramid_is_trained_and_its_export_finds_the_same(tmp_path):
    task, run = make_task(steps=3), RunFolder(tmp_path / "run")
    assert np.isfinite(train(task, run)["map_50"]) and task.title.startswith("Faster R-CNN with FPN (resnet)")
    model = Detection(run.config()).build_for_export()
    session = SavedModelSession(task.export(model, tmp_path / "export", None))
    images, _ = rectangles(2, seed=1)
    found = model({"images": images, "image_shapes": np.int32([[96, 96]] * 2)})
    answer = session("serving_default", images=images)
    assert np.all(found["num_detections"] > 0)
    np.testing.assert_array_equal(answer["classes"], found["classes"])
    np.testing.assert_allclose(answer["boxes"], found["boxes"], rtol=0, atol=1e-2)


@pytest.mark.slow
def test_xla_compiles_the_training_of_a_pyramid(tmp_path):
    results = train(make_task(steps=1), RunFolder(tmp_path / "run"), jit_compile=True)
    assert results["step"] == 1


def test_the_options_of_other_systems_do_not_reach_a_pyramid():
    for recipe in ("faster_rcnn_fpn", "faster_rcnn_coco", "faster_rcnn_alternating_coco"):
        options = of_photos(recipe)["options"]
        assert options["anchor_sizes"] == (32, 64, 128, 256, 512) and options["roi_batch_size"] == 512
    assert make_task().config["options"]["anchor_ratios"] == (1, 1.6, 2.4)


def test_a_published_detector_has_its_own_options_and_resizing():
    config = of_photos("digit_scenes", detector="faster_rcnn_resnet50_fpn_v2")
    assert config["options"]["head"] == "conv_bn" and config["options"]["anchor_ratios"] == (0.5, 1, 2)
    assert Resizing(**config["resizing"]) == TORCHVISION and config["detector"] == "faster_rcnn_resnet50_fpn_v2"
    assert config["pooling"] == {"roi_pooling": "align"}


def weights_file(path, classes):
    """Writes a narrow detector in torchvision's format; returns it."""
    backbone = keras_resnets.ResNet(STAGES["block_counts"], STAGES["filters"], include_top=False)
    options = {**SMALL, "anchor_sizes": (8, 16, 32, 64), "train_batch_norm": True}
    model = keras_resnets.FasterRCNN(classes, backbone, neck="fpn", **options)
    write_detector(path, model)
    return model


@pytest.mark.parametrize("classes, are_new", [(5, True), (len(LABELS), False)])
def test_a_file_of_torchvision_starts_a_detector(classes, are_new, tmp_path):
    file = tmp_path / "detector.safetensors"
    source = {layer.name: layer for layer in leaf_layers(weights_file(file, classes))}
    start = {"init_weights": str(file), "detector": DETECTOR, "freeze": ["stem", "conv2"]}
    task = make_task(**start, options={"roi_aligned": True})
    assert not task.config["options"]["train_batch_norm"]
    model = task.build_model()
    note = task.initialize(model)
    assert (note is not None) == are_new and (note is None or "box_deltas, class_logits are initialized" in note)
    for layer in leaf_layers(model):
        if layer.weights and not (are_new and layer.name in ("class_logits", "box_deltas")):
            for value, expected in zip(layer.get_weights(), source[layer.name].get_weights()):
                np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5, err_msg=layer.name)
    trained = {variable.path.split("/")[0].split("_")[0] for variable in model.trainable_variables}
    assert not {"conv1", "conv2"} & trained and {"conv3", "fpn", "rpn", "class"} <= trained


def test_the_epsilon_of_frozen_batch_normalization_is_that_of_the_run(tmp_path):
    file = tmp_path / "detector.safetensors"
    layer = weights_file(file, 5).trunk.get_layer("conv1_bn")
    task = make_task(init_weights=str(file), detector=DETECTOR, frozen_batch_norm_epsilon=0.5)
    model = task.build_model()
    task.initialize(model)
    variance = layer.moving_variance.numpy()
    expected = layer.gamma * np.sqrt((variance + 1e-5) / (variance + 0.5))
    np.testing.assert_allclose(model.trunk.get_layer("conv1_bn").gamma, expected, rtol=1e-5)


def test_weights_of_a_detector_need_its_name(tmp_path):
    weights_file(tmp_path / "detector.safetensors", 2)
    with pytest.raises(ArgumentError, match="--init_weights: .* has weights of a whole detector: pass --detector"):
        make_task(init_weights=str(tmp_path / "detector.safetensors"))


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--system=faster_rcnn_fpn", "--alternating"], "--alternating has no effect with --system=faster_rcnn_fpn"),
        (["--system=faster_rcnn_fpn", "--proposals=edge_boxes"], "--proposals has no effect with --system="),
        (["--init_weights=coco"], "--init_weights=coco is for --detector: pass that as well, faster_rcnn_resnet50_fpn"),
        ([f"--detector={DETECTOR}", "--backbone=resnet18"], "whose backbone is resnet50_v1_5: leave one of them out"),
        ([f"--detector={DETECTOR}", "--system=rcnn"], "whose system is faster_rcnn_fpn: leave one of them out"),
    ],
)
def test_wrong_flags_end_in_one_line(flags, message, tmp_path, run_command):
    process = run_command("trainers.detection", "--dataset=digit_scenes", f"--model_dir={tmp_path / 'run'}", *flags)
    assert process.returncode == 1 and message in process.stderr and "Traceback" not in process.stderr
    assert not (tmp_path / "run").exists()


def test_members_of_an_ensemble_may_have_a_pyramid():
    config = make_task().config
    assert Detection.ensemble_problem(config, {**config, "system": "faster_rcnn"}, "rectangles") is None
    assert Detection.ensemble_problem(config, {**config, "system": "rcnn"}, "rectangles") is not None


def test_losses_of_a_pyramid_are_finite_in_sixteen_bits():
    with keras_resnets.dtype_policies.dtype_policy_scope("mixed_bfloat16"):
        task = make_task(steps=1)
        model = task.build_model()
    batch = next(iter(task.training_batches(0, tf.distribute.InputContext())))
    losses, _ = task.losses(model, batch, training=True)
    assert set(losses) == {"rpn_class", "rpn_box", "region_class", "region_box"}
    assert all(np.isfinite(value) for value in losses.values())
