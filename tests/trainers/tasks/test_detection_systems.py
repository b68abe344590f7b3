"""Detectors that are given regions, and four steps of training, from the command line to the export."""

import json

import numpy as np
import pytest
import tensorflow as tf
from configurations import detection_config
from PIL import Image
from rectangles import STAGES, dataset_of, make_task, rectangle_dataset, rectangles, write_coco

from keras_resnets import VGG
from keras_resnets.detection.resizing import Resizing
from keras_resnets.serving import SavedModelSession
from trainers.data.proposals.with_proposals import with_proposals
from trainers.engine.checkpoints import restore_model
from trainers.engine.fine_tuning import freeze, learning_rate_factors
from trainers.engine.run_folder import RunFolder
from trainers.engine.train import train
from trainers.tasks.detection import Detection
from trainers.tasks.multi_stage import alternating

pytestmark = pytest.mark.numerics
FLAGS = ["--backbone=resnet", "--block_counts=1,1,1", "--filters=8,16,32", "--recipe=digit_scenes", "--batch_size=4"]


@pytest.mark.slow
def test_fast_rcnn_from_the_command_line_to_its_export(tmp_path, run_command):
    (tmp_path / "images").mkdir()
    dataset = write_coco(tmp_path / "images", 6)
    run = tmp_path / "run"
    head = ["--head=mlp", "--head_units=32", "--roi_batch_size=16"]
    flags = [*FLAGS, *head, "--steps=60", "--learning_rate=5e-3", "--max_proposals=300", "--short_side=96"]
    process = run_command(
        "trainers.detection", "--system=fast_rcnn", f"--dataset={dataset}", f"--model_dir={run}", *flags
    )
    assert process.returncode == 0, process.stderr
    assert "Fast R-CNN (resnet) on" in process.stdout
    assert len(list((run / "proposals").rglob("*.npz"))) == 6  # The test images are the training images.
    process = run_command("trainers.evaluate", f"--model_dir={run}", "--voting_iou=0.5", "--box_refinement")
    assert process.returncode == 0, process.stderr
    evaluation = json.loads((run / "evaluation.json").read_text())
    assert evaluation["options"] == {"box_refinement": True, "voting_iou": 0.5} and evaluation["map_50"] > 0.5

    sizes = {}
    for name, ranks in (("whole", []), ("small", ["--svd_ranks=fc6=8,fc7=8"])):
        output = f"--output={tmp_path / name}"
        process = run_command("trainers.export", f"--model_dir={run}", output, "--nowarmup", *ranks)
        assert process.returncode == 0, process.stderr
        sizes[name] = (tmp_path / name / "1" / "saved_model.pb").stat().st_size
    weights = 7 * 7 * 16 * 32 + 32 * 32
    fewer = weights - 8 * (7 * 7 * 16 + 32) - 8 * (32 + 32)
    assert sizes["whole"] - sizes["small"] == pytest.approx(4 * fewer, rel=0.05)
    task = Detection(json.loads((run / "config.json").read_text()), None)
    model = task.build_model()
    restore_model(model, RunFolder(run))
    image = np.asarray(Image.open(tmp_path / "images" / "0.png"))
    proposals = np.zeros((1, 300, 4), "float32")
    proposals[0, :3] = [[5, 5, 40, 40], [0, 0, 96, 96], [50, 40, 90, 90]]
    answer = SavedModelSession(tmp_path / "whole")("serving_default", images=image[np.newaxis], proposals=proposals)
    shape = np.int32([image.shape[:2]])
    found = model({"images": image[np.newaxis], "image_shapes": shape, "proposals": proposals})
    assert found["num_detections"][0] > 0
    for name in ("num_detections", "classes"):
        np.testing.assert_array_equal(answer[name], found[name])
    np.testing.assert_allclose(answer["boxes"], found["boxes"], rtol=0, atol=1e-2)
    np.testing.assert_allclose(answer["scores"], found["scores"], rtol=0, atol=1e-4)
    process = run_command("trainers.predict", f"--export={tmp_path / 'whole'}", tmp_path / "images" / "0.png")
    assert process.returncode == 1 and "whole takes proposals, which need Python code" in process.stderr


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--system=spp_net"], "error: --system=spp_net does not train the convolutions: pass --init_weights"),
        (["--system=rcnn", "--roi_pooling=align"], "error: --roi_pooling has no effect with --system=rcnn"),
        (["--proposals=edge_boxes"], "error: --proposals has no effect with --system=faster_rcnn"),
        (["--system=fast_rcnn", "--alternating"], "error: --alternating has no effect with --system=fast_rcnn"),
        (["--system=fast_rcnn", "--rpn_filters=8"], "error: --rpn_filters=8 is not an argument of this model"),
        (["--system=rcnn", "--warp_context=200"], "error: --warp_context=200 must be less than half of warp_size=64"),
        (["--head=maxout"], "error: --head='maxout' merges two scales"),
        (["--width=0.5"], "error: --width has no effect with --backbone=resnet: leave it out."),
        (["--head_units=64"], "error: --head_units=64 has no effect without --head: leave it out."),
        (
            ["--block_counts=1,1", "--filters=8"],
            "error: --block_counts=1,1 has 2 stages, and --filters=8 has 1: pass as many.",
        ),
    ],
)
def test_wrong_flags_end_in_one_line(flags, message, tmp_path, run_command):
    data = f"--dataset={write_coco(tmp_path, 4)}"
    process = run_command("trainers.detection", *FLAGS, data, *flags, f"--model_dir={tmp_path / 'new'}")
    assert process.returncode == 1 and message in process.stderr and "Traceback" not in process.stderr
    assert not (tmp_path / "new" / "config.json").exists()


@pytest.mark.parametrize(
    "recipe, system, regions, background",
    [
        ("rcnn", "rcnn", 64, (0.0, 0.5)),
        ("spp_net", "spp_net", 64, (0.1, 0.5)),
        ("fast_rcnn", "fast_rcnn", 64, (0.1, 0.5)),
        ("fast_rcnn_coco", "fast_rcnn", 64, (0.1, 0.5)),
        ("faster_rcnn", "faster_rcnn", 128, (0.0, 0.5)),
        ("faster_rcnn_coco", "faster_rcnn", 128, (0.0, 0.5)),
        ("faster_rcnn_alternating", "faster_rcnn", 64, (0.1, 0.5)),
        ("faster_rcnn_alternating_coco", "faster_rcnn", 64, (0.0, 0.5)),
        ("digit_scenes", "rcnn", 32, (0.0, 0.5)),
        ("digit_scenes", "spp_net", 32, (0.1, 0.5)),
        ("digit_scenes", "fast_rcnn", 32, (0.0, 0.5)),
        ("digit_scenes", "faster_rcnn", 32, (0.0, 0.5)),
    ],
)
def test_each_system_samples_regions_as_its_paper(recipe, system, regions, background):
    photos = {"resizing": Resizing(600, 1000, (1024, 1024)), "batch_size": 1}
    options = detection_config("resnet101", "photos", rectangle_dataset(2, seed=1), recipe, system=system, **photos)[
        "options"
    ]
    assert (options["roi_batch_size"], options["roi_background_iou"]) == (regions, background)
    assert (options["roi_positive_fraction"], options["roi_foreground_iou"]) == (0.5 if regions == 32 else 0.25, 0.5)


def test_the_papers_freeze_the_first_stages_of_vgg_where_its_weights_are_trained():
    def frozen(backbone="vgg16", recipe="fast_rcnn", init_weights="imagenet", **changes):
        photos = {"resizing": Resizing(600, 1000, (1024, 1024)), "batch_size": 1, **changes}
        dataset = rectangle_dataset(2, seed=1)
        return detection_config(backbone, "photos", dataset, recipe, init_weights=init_weights, **photos)["freeze"]

    assert frozen() == frozen(recipe="faster_rcnn") == frozen(recipe="faster_rcnn_alternating") == ["conv1", "conv2"]
    assert frozen(recipe="rcnn") == frozen(backbone="resnet101") == frozen(init_weights=None) == frozen(freeze=[]) == []
    assert frozen(freeze=["conv1"]) == ["conv1"]
    net = VGG((1, 1, 1, 1, 1), include_top=False)
    freeze(net, frozen())
    assert [v.path.split("_")[0] for v in net.trainable_variables] == 2 * ["conv3"] + 2 * ["conv4"] + 2 * ["conv5"]


def test_biases_learn_twice_as_fast():
    changes = {"batch_size": 2, "bias_learning_rate": 2.0, "stage_learning_rates": {"rpn": 0.1}}
    task = make_task(rectangle_dataset(2, seed=1), **changes)
    model = task.build_model()
    names = [variable.path.split("/") for variable in model.trainable_variables]
    expected = [(2 if name == "bias" else 1) * (0.1 if "rpn" in layer else 1) for *_, layer, name in names]
    found = learning_rate_factors(model, task.config["stage_learning_rates"], task.recipe.bias_learning_rate)
    assert found == pytest.approx(expected) and {0.2, 0.1, 2, 1} == set(expected)


def test_proposals_move_with_the_image():
    images, annotations = rectangles(4, seed=3)
    split = dataset_of(images, annotations).train
    split = with_proposals(split, lambda: [np.concatenate([one.boxes, [[0, 0, 9, 7]]]) for one in annotations])
    dataset = dataset_of(images, annotations)
    dataset = type(dataset)(dataset.labels, 96, dataset.max_boxes, split, split)
    config = detection_config(
        "resnet", "rectangles", dataset, "digit_scenes", **STAGES, batch_size=4, augmentation="flip", system="fast_rcnn"
    )
    task = Detection(config, dataset)
    batches = task.training_batches(0, tf.distribute.InputContext())
    for batch in batches.take(3):
        for boxes, classes, proposals in zip(batch["boxes"], batch["classes"], batch["proposals"]):
            count = int(np.sum(classes >= 0))
            np.testing.assert_array_equal(proposals[:count], boxes[:count])
            last = proposals[count].numpy().tolist()
            assert last in ([0, 0, 9, 7], [87, 0, 96, 7])  # mirrored
            assert not np.any(np.diff(proposals[count + 1 :].numpy().reshape(-1, 2, 2), axis=1))  # without area


@pytest.mark.slow
def test_the_steps_for_regions_are_half_as_long_and_have_two_images(tmp_path, capsys):
    def load_task(images):
        options = {"anchor_sizes": (16, 32), "train_post_nms_topk": 60}
        recipe = "faster_rcnn_alternating"
        dataset = rectangle_dataset(images, seed=1)
        config = detection_config(
            "resnet", "rectangles", dataset, recipe, alternating=True, options=options, steps=2, **STAGES
        )
        return Detection(config, dataset)

    train(load_task(2), RunFolder(tmp_path / "run"))
    configs = [RunFolder(folder).config() for folder in sorted((tmp_path / "run").glob("step*"))]
    lengths = [(config["steps"], config["recipe"]["batch_size"]) for config in configs]
    assert lengths == [(2, 1), (1, 2), (2, 1), (1, 2)]
    printed = capsys.readouterr().err
    assert "step1_rpn: 2 steps, batch size 1\n" in printed and "step4_regions: 1 steps, batch size 2\n" in printed


@pytest.mark.slow
def test_four_steps_share_a_trunk_and_end_as_one_detector(tmp_path):
    dataset = rectangle_dataset(6, seed=1)
    options = {"anchor_sizes": (16, 32), "roi_batch_size": 16, "train_post_nms_topk": 60}
    config = detection_config(
        "resnet",
        "rectangles",
        dataset,
        "digit_scenes",
        alternating=True,
        options=options,
        steps=80,
        batch_size=4,
        learning_rate=5e-3,
        **STAGES,
    )
    task, run = Detection(config, dataset), RunFolder(tmp_path / "run")
    results = train(task, run)
    steps = ["step1_rpn", "step2_regions", "step3_rpn", "step4_regions"]
    assert list(results["stages"]) == steps and results["map_50"] > 0.5
    assert [RunFolder(run.path / step).results()["step"] for step in steps] == [80, 40, 80, 40]
    assert RunFolder(run.path / "step3_rpn").results()["recall_50"] > 0.9
    weights = {}
    for name in (*steps, "."):
        model = task.build_model()
        restore_model(model, RunFolder(run.path / name))
        weights[name] = {part: getattr(model, part).get_weights() for part in alternating.PARTS}

    def same(one, other, part):
        return all(np.array_equal(a, b) for a, b in zip(weights[one][part], weights[other][part], strict=True))

    assert not same("step1_rpn", "step2_regions", "trunk")
    assert same("step2_regions", "step3_rpn", "trunk") and same("step2_regions", "step4_regions", "trunk")
    assert not same("step1_rpn", "step3_rpn", "rpn") and same("step3_rpn", "step4_regions", "rpn")
    assert not same("step2_regions", "step4_regions", "head")
    assert all(same("step4_regions", ".", part) for part in alternating.PARTS)
    before = run.metrics()
    assert train(task, run) == results and run.metrics() == before
