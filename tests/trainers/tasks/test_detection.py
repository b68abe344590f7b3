"""Training, evaluating, exporting and using a detector."""

import csv
import dataclasses
import json
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from configurations import classification_config, detection_config
from PIL import Image
from processes import SUPPORT, start
from rectangles import LABELS, SIDE, STAGES, dataset_of, make_task, rectangle_dataset, rectangles, write_coco

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.detection.backbones import classification_net
from keras_resnets.detection.options import OLD_NAMES
from keras_resnets.detection.resizing import TORCHVISION, Resizing
from keras_resnets.ops.boxes import areas, iou
from keras_resnets.serving import SavedModelSession
from keras_resnets.surgery.graph import leaf_layers
from trainers.data.detection_dataset import Annotation, DetectionDataset
from trainers.data.registry import open_dataset
from trainers.data.sources import digit_scenes
from trainers.engine import loop
from trainers.engine import train as engine_train
from trainers.engine.checkpoints import Checkpoints, restore_model
from trainers.engine.predictor import predictor
from trainers.engine.run_folder import RunFolder
from trainers.metrics import voc
from trainers.runtime.choices import BOX_AUGMENTATIONS
from trainers.runtime.failures import explained
from trainers.tasks.classification import Classification
from trainers.tasks.detection import Detection
from trainers.tasks.detection_config import default_resizing
from trainers.tasks.specs import DETECTION

pytestmark = pytest.mark.numerics
EXPORT = pathlib.Path(__file__).parents[3] / "saved_models" / "faster_rcnn_digit_scenes"
FLAGS = ["--backbone=resnet", "--block_counts=1,1,1", "--filters=8,16,32"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run that has learned four images by heart: the run, its task, its model, its export, and its results."""
    folder = tmp_path_factory.mktemp("trained")
    task = make_task(rectangle_dataset(4, seed=1), steps=200, batch_size=4, learning_rate=5e-3)
    run = RunFolder(folder / "run")
    settings = loop.Settings(task.recipe, steps=200, log_every=50, evaluate_every=200, checkpoint_every=200)
    results = loop.run_loop(task, run, settings)
    model = Detection(task.config, None).build_for_export()
    restore_model(model, run)
    return run, task, model, task.export(model, folder / "export", None), results


def test_four_images_are_learned_by_heart(trained):
    run, task, _, _, results = trained
    assert results["map_50"] == 1.0 and results["coco_map_50"] == pytest.approx(1)
    assert {"map", "map_50_11_point", "map_small", "map_medium", "map_large"} <= results.keys()
    assert results["map_large"] is None  # There is no large object.
    task.draw_learning_curve(run.metrics(), run.learning_curve)
    assert Image.open(run.learning_curve).width > 200
    tags = {
        value.tag
        for file in run.tensorboard.rglob("events*")
        for event in tf.compat.v1.train.summary_iterator(str(file))
        for value in event.summary.value
    }
    assert {"map_50", "detections/0", "detections/3"} <= tags


@pytest.mark.slow
def test_four_digit_scenes_are_learned_by_heart(tmp_path, monkeypatch):
    for split in ("TRAIN", "TEST"):
        monkeypatch.setattr(digit_scenes, split, 4)
    scenes = digit_scenes.open_digit_scenes()
    scenes = dataclasses.replace(scenes, test=scenes.train)
    stages = {"block_counts": (2, 2, 2), "filters": (32, 64, 128)}
    task = Detection(detection_config("resnet", "digit_scenes", scenes, "digit_scenes", **stages, steps=250), scenes)
    settings = loop.Settings(task.recipe, steps=250, log_every=50, evaluate_every=250, checkpoint_every=250)
    assert loop.run_loop(task, RunFolder(tmp_path / "run"), settings)["map_50"] == 1.0


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags, channels",
    [
        (["--backbone=vgg16", "--width=0.03125"], 16),
        (["--backbone=plainnet", *FLAGS[1:]], 16),
    ],
    ids=["vgg16", "plainnet"],
)
def test_narrow_nets_without_shortcuts_from_the_command_line(flags, channels, tmp_path, run_command):
    dataset = f"--dataset={write_coco(tmp_path, 2)}"
    run = RunFolder(tmp_path / "run")
    flags = [
        *flags,
        dataset,
        "--recipe=digit_scenes",
        "--short_side=96",
        "--long_side=96",
        "--steps=1",
        "--batch_size=2",
        f"--model_dir={run.path}",
    ]
    process = run_command("trainers.detection", *flags)
    assert process.returncode == 0, process.stderr
    model = Detection(run.config(), None).build_model()
    restore_model(model, run)
    assert model.trunk.output.shape[-1] == channels
    assert not any(isinstance(layer, keras.layers.Add) for layer in leaf_layers(model))


def test_a_narrow_net_starts_from_its_own_weights_and_older_runs_go_on(tmp_path):
    dataset = rectangle_dataset(2, seed=9)
    classification_net("vgg16", width=1 / 32).save_weights(tmp_path / "net.weights.h5")
    arguments = "vgg16", "rectangles", dataset, "digit_scenes"
    config = detection_config(*arguments, width=1 / 32, batch_size=2, init_weights=str(tmp_path / "net.weights.h5"))
    task = Detection(config, dataset)
    model = task.build_model()
    task.initialize(model)
    assert model.region_network.get_layer("fc6").units == 4096 // 32
    with pytest.raises(ArgumentError, match='weights="imagenet" is for width=1, not 0.5: leave one of them out'):
        Detection({**config, "width": 0.5, "init_weights": "imagenet"}, dataset).initialize(model)
    # Runs from before there was a width.
    config = make_task(dataset, batch_size=2).config
    older = {name: value for name, value in config.items() if name != "width"}
    RunFolder(tmp_path / "run").begin(older)
    RunFolder(tmp_path / "run").check(config)
    assert Detection(older, dataset).build_model().trunk.output.shape[-1] == 16


def test_a_detector_starts_from_the_folder_of_a_run_of_classification(tmp_path):
    stages = {"block_counts": (1, 1, 1), "filters": (8, 16, 32)}
    config = classification_config("resnet", "digits", open_dataset("digits"), "digits", arguments=stages)
    run, net = RunFolder(tmp_path / "net"), Classification(config).build_model()
    run.begin(config)
    Checkpoints(tf.train.Checkpoint(model=net), run.checkpoints).save(0)
    dataset = rectangle_dataset(2, seed=9)
    arguments = {**stages, "init_weights": str(run.path), "batch_size": 2}
    task = Detection(detection_config("resnet", "rectangles", dataset, "digit_scenes", **arguments), dataset)
    model = task.build_model()
    task.initialize(model)
    kernels = {
        layer.name: layer.kernel
        for layer in leaf_layers(net)
        if layer.name.startswith("conv2") and hasattr(layer, "kernel")
    }
    assert kernels
    for name, kernel in kernels.items():
        assert np.array_equal(model.trunk.get_layer(name).kernel, kernel)


def test_a_run_goes_on_whose_options_had_other_names(tmp_path):
    options = {"nms_threshold": 0.35, "test_post_nms_topk": 50, "anchor_sizes": (16, 32)}
    new = detection_config("resnet18", "rectangles", rectangle_dataset(2, seed=9), "faster_rcnn", options=options)
    old_names = {new_name: old_name for old_name, new_name in OLD_NAMES.items()}
    old = {old_names.get(name, name): value for name, value in new["options"].items()}
    assert {"detection_iou", "test_after_nms", "rpn_beta"} <= old.keys() and "nms_threshold" not in old
    run = RunFolder(tmp_path / "run")
    run.begin({**new, "options": old})
    run.check(new)
    assert run.config()["options"]["nms_threshold"] == 0.35
    with pytest.raises(ArgumentError, match="holds a run with options.nms_threshold=0.35, not 0.3"):
        run.check({**new, "options": {**new["options"], "nms_threshold": 0.3}})


def test_a_run_goes_on_whose_recipe_has_another_row_by_now(tmp_path):
    dataset, weights = rectangle_dataset(2, seed=9), str(tmp_path / "net.weights.h5")
    classification_net("vgg16", width=1 / 32).save_weights(weights)
    arguments = {"system": "fast_rcnn", "init_weights": weights, "width": 1 / 32, "batch_size": 2}
    begun = detection_config("vgg16", "rectangles", dataset, "faster_rcnn", **arguments)
    assert begun["freeze"] == ["conv1", "conv2"] and begun["options"]["roi_batch_size"] == 64
    # What version 0.1 had: its Fast R-CNN is Faster R-CNN's recipe, with its sample, another decay and other sizes.
    for name in ("decay", "bias_learning_rate"):
        del begun["recipe"][name]
    begun["recipe"]["weight_decay"] = 1e-4
    begun["options"] |= {"roi_batch_size": 128, "roi_background_iou": [0.0, 0.5]}
    begun |= {"freeze": [], "resizing": {"short_side": 300, "long_side": 500, "canvas": [512, 512]}}
    RunFolder(tmp_path / "run").begin(begun)
    again = detection_config("vgg16", "rectangles", dataset, "faster_rcnn", begun=begun, **arguments)
    RunFolder(tmp_path / "run").check(again)
    task = Detection(again, dataset)
    assert (task.recipe.weight_decay, task.recipe.decay, again["options"]["roi_batch_size"]) == (1e-4, "kernels", 128)
    changed = detection_config(
        "vgg16", "rectangles", dataset, "faster_rcnn", begun=begun, **arguments, freeze=["conv1"]
    )
    with pytest.raises(ArgumentError, match="holds a run with freeze="):
        RunFolder(tmp_path / "run").check(changed)


@pytest.mark.slow
def test_the_export_in_saved_models_finds_digits_that_were_not_trained_on():
    scenes = digit_scenes.open_digit_scenes().test
    session, found = SavedModelSession(EXPORT), []
    for key in scenes.keys(None):
        example = scenes.load(key)
        answer = session("serving_default", images=example["image"].pixels()[np.newaxis].numpy())
        padding = [[0, 8 - len(example["boxes"])]]
        truth = {"true_boxes": np.pad(example["boxes"], [*padding, [0, 0]])}
        truth |= {"true_classes": np.pad(example["classes"], padding, constant_values=-1)}
        truth |= {"ignored": np.zeros(8, bool), "areas": np.pad(example["areas"], padding)}
        found.append({**truth, **{name: answer[name][0] for name in ("boxes", "scores", "classes")}})
    predictions = {name: np.stack([image[name] for image in found]) for name in found[0]}
    assert voc.mean_average_precision(voc.curves(predictions, 10))["map_50"] >= 0.95


@pytest.mark.slow
def test_images_without_boxes_stay_in_training(tmp_path):
    images, annotations = rectangles(4, seed=2)
    annotations[1] = annotations[2] = Annotation.of([], [])
    task = make_task(dataset_of(images, annotations), steps=3, batch_size=4)
    run = RunFolder(tmp_path / "run")
    engine_train.train(task, run, log_every=1)
    losses = [line["loss"] for line in run.metrics() if "loss" in line]
    assert len(losses) == 3 and np.all(np.isfinite(losses))


@pytest.mark.slow
def test_a_resumed_run_ends_as_an_uninterrupted_one(tmp_path):
    dataset = rectangle_dataset(6, seed=3)

    class Killed(Detection):
        def training_batches(self, first_step, context):
            return super().training_batches(first_step, context).take(max(0, 3 - first_step))

    def train(task_class, path):
        task = make_task(dataset, steps=5, batch_size=2)
        run = RunFolder(path)
        engine_train.train(task_class(task.config, dataset), run, log_every=1, checkpoint_every=1)
        return run

    whole = train(Detection, tmp_path / "whole")
    with pytest.raises((ArgumentError, tf.errors.OutOfRangeError, StopIteration)):
        train(Killed, tmp_path / "parts")
    resumed = train(Detection, tmp_path / "parts")
    weights = []
    for run in (whole, resumed):
        model = make_task(dataset, steps=5, batch_size=2).build_model()
        restore_model(model, run)
        weights.append(model.get_weights())
    for first, second in zip(*weights):
        np.testing.assert_array_equal(first, second)


@pytest.mark.slow
def test_two_replicas_have_the_loss_of_one_device(tmp_path):
    process = start([SUPPORT / "detection_replicas.py", tmp_path])
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    one, two = json.loads(output.splitlines()[-1])
    np.testing.assert_allclose(one, two, rtol=1e-3)
    assert abs(one[0] - one[2]) > 1e-2  # The weights have moved.


@pytest.mark.parametrize("augmentation", BOX_AUGMENTATIONS[4:])
def test_a_batch_depends_on_its_step_and_the_seed_only(augmentation):
    """Also in shapes that are static, and with the objects that an image has no more left out."""

    def batches(first_step, seed=5):
        dataset = rectangle_dataset(6, seed=3)
        task = make_task(dataset, batch_size=2, augmentation=augmentation, seed=seed)
        found = task.training_batches(first_step, tf.distribute.InputContext())
        assert all(spec.shape.is_fully_defined() for spec in found.element_spec.values())
        return list(found.take(4 - first_step).as_numpy_iterator())

    whole, resumed, other = batches(0), batches(2), batches(2, seed=6)
    for name, values in resumed[1].items():
        np.testing.assert_array_equal(values, whole[3][name])
    assert np.any(other[1]["images"] != resumed[1]["images"])
    for batch in whole:
        np.testing.assert_array_equal(batch["classes"] >= 0, areas(batch["boxes"]) > 0)


def test_validation_losses_are_those_of_keras(tmp_path):
    """Of five images in batches of four; ignored objects and padding do not count."""
    images, annotations = rectangles(5, seed=7, objects=(2, 4))
    annotations[1].ignored[0] = True
    dataset = dataset_of(images, annotations)
    settings = {"steps": 2, "batch_size": 4, "validation_losses": True}
    task, run = make_task(dataset, **settings), RunFolder(tmp_path / "run")
    results = engine_train.train(task, run, log_every=1)
    model = task.build_model()
    restore_model(model, run)
    targets = {"boxes": np.full((5, 4, 4), -1, np.float32), "classes": np.full((5, 4), -1)}
    for i, annotation in enumerate(annotations):
        kept = ~annotation.ignored
        targets["boxes"][i, : kept.sum()] = annotation.boxes[kept]
        targets["classes"][i, : kept.sum()] = annotation.classes[kept]
    inputs = {"images": images, "image_shapes": np.full((5, 2), SIDE, np.int32)}
    model.compile("sgd", run_eagerly=True)
    expected = model.evaluate(inputs, targets, batch_size=5, return_dict=True, verbose=0)
    assert results["validation_loss"] == pytest.approx(expected.pop("loss"), rel=1e-4)
    for name, loss in expected.items():
        assert loss > 0 and results[f"{name}_loss"] == pytest.approx(loss, rel=1e-4)
    assert [line["step"] for line in run.metrics() if "validation_loss" in line] == [2]
    with Image.open(run.learning_curve) as curve:
        assert curve.height > curve.width  # The losses are below the precision.
    without = make_task(dataset, **settings | {"validation_losses": False})
    batch = next(iter(task.evaluation_batches()))
    assert not [name for name in without.predictions(model, batch) if "loss" in name]
    joined = keras_resnets.Ensemble([model], [model])
    assert task.image_losses(joined, batch) == {}


@pytest.mark.parametrize("stage", ["stem", "conv2", "rpn", "class", "box"])
def test_stages_can_be_frozen(stage):
    model = make_task(rectangle_dataset(2, seed=8), batch_size=2, freeze=[stage]).build_model()
    prefix = "conv1" if stage == "stem" else stage
    layers = [layer for layer in leaf_layers(model) if layer.name.startswith(f"{prefix}_") and layer.weights]
    assert layers and not any(layer.trainable_variables for layer in layers)
    assert model.trainable_variables


def test_training_starts_from_a_classification_net(tmp_path):
    net = keras_resnets.ResNet(**STAGES, classes=7)
    net.save_weights(tmp_path / "net.weights.h5")
    task = make_task(rectangle_dataset(2, seed=9), batch_size=2, init_weights=str(tmp_path / "net.weights.h5"))
    assert task.config["options"]["train_batch_norm"] is False
    model = task.build_model()
    task.initialize(model)
    layers = {layer.name: layer for layer in leaf_layers(model)}
    for name in ("conv1_conv", "conv3_block1_1_conv", "conv4_block1_2_conv"):
        np.testing.assert_array_equal(layers[name].kernel, net.get_layer(name).kernel)


def test_difficult_objects_are_not_trained_on():
    images, annotations = rectangles(2, seed=4, objects=(2, 3))
    annotations[0].ignored[0] = True
    task = make_task(dataset_of(images, annotations), batch_size=2)
    batch = next(iter(task.training_batches(0, tf.distribute.InputContext())))
    assert sorted(np.sum(batch["classes"] >= 0, axis=1)) == [1, 2]
    evaluation = next(iter(task.evaluation_batches()))
    assert list(np.sum(evaluation["true_classes"] >= 0, axis=1)) == [2, 2]
    assert np.sum(evaluation["ignored"]) == 1


def test_more_boxes_than_there_is_room_for():
    dataset = dataset_of(*rectangles(2, seed=5, objects=(3, 4)))
    with pytest.raises(ArgumentError, match="--max_boxes=2 is less than the 3 boxes of an image"):
        make_task(dataset, batch_size=2, max_boxes=2)
    unknown = DetectionDataset(dataset.labels, dataset.side, None, dataset.train, dataset.test)
    task = make_task(unknown, batch_size=2, max_boxes=2)
    with pytest.raises(ArgumentError) as error, explained(several_machines=False):
        next(iter(task.training_batches(0, tf.distribute.InputContext())))
    assert str(error.value) == (
        "an image has more boxes than --max_boxes=2: pass a larger one, and train in another --model_dir if this was "
        "training."
    )


def test_anchors_that_fit_into_no_image():
    dataset = dataset_of(*rectangles(2, seed=5))
    with pytest.raises(ArgumentError, match="--anchor_sizes=97,200 are too large: .* --short_side=96"):
        make_task(dataset, batch_size=2, options={"anchor_sizes": (97, 200)})
    make_task(dataset, batch_size=2, options={"anchor_sizes": (97, 200), "cross_boundary_anchors": True})


def test_default_sizes():
    photos = DetectionDataset(("a",), None, None, None, None)
    scenes = DetectionDataset(("a",), 256, None, None, None)
    name = "faster_rcnn"
    assert default_resizing(DETECTION, photos, name) == Resizing(600, 1000, (1024, 1024))
    assert default_resizing(DETECTION, photos, name, 300, 500) == Resizing(300, 500, (512, 512))
    assert default_resizing(DETECTION, photos, name, canvas=(608, 1024)) == Resizing(600, 1000, (608, 1024))
    assert default_resizing(DETECTION, photos, "mask_rcnn_fpn") == Resizing(800, 1333, (1344, 1344))
    for recipe_name in (name, "faster_rcnn_fpn"):
        assert default_resizing(DETECTION, scenes, recipe_name) == Resizing(256, 256, (256, 256))
        assert default_resizing(DETECTION, scenes, recipe_name, detector="faster_rcnn_resnet50_fpn") == TORCHVISION


def test_the_export_detects_what_the_trainer_does(trained, tmp_path):
    _, task, model, export, _ = trained
    predictions = predictor(task, model, tf.distribute.get_strategy())()
    assert np.sum(predictions["scores"] > 0.5) > 4
    images = np.stack([task.dataset.test.load(key)["image"].pixels() for key in task.dataset.test.keys(None)])
    session = SavedModelSession(export)
    answers = session("serving_default", images=images)
    np.testing.assert_allclose(answers["scores"], predictions["scores"], atol=1e-3)
    np.testing.assert_allclose(answers["boxes"], predictions["boxes"], atol=0.5)
    np.testing.assert_array_equal(answers["classes"], predictions["classes"])
    found = answers["num_detections"]
    np.testing.assert_array_equal(found, np.sum(predictions["classes"] >= 0, axis=1))
    for i, count in enumerate(found):
        names = [label.decode() for label in answers["labels"][i]]
        assert names[:count] == [task.config["labels"][c] for c in answers["classes"][i, :count]]
        assert set(names[count:]) <= {""}


def test_boxes_are_in_pixels_of_the_image_that_was_sent(trained, tmp_path):
    """Files of different sizes in one request; where an image is twice as large, so are its boxes."""
    _, task, _, export, _ = trained
    image = next(iter(task.dataset.test.keys(None).map(lambda key: task.dataset.test.load(key)["image"].pixels())))
    files = []
    for factor in (1, 2):
        large = image.numpy().repeat(factor, axis=0).repeat(factor, axis=1)
        files.append(tf.io.encode_png(large).numpy())
    wide = tf.io.encode_png(np.concatenate([image, np.full((96, 50, 3), 128, np.uint8)], axis=1)).numpy()
    answers = SavedModelSession(export)("image_bytes", image_bytes=[*files, wide])
    sure = answers["scores"][0] > 0.8
    assert sure.sum() >= 1
    overlaps = iou(2 * answers["boxes"][0][sure], answers["boxes"][1])
    assert np.min(np.max(overlaps, axis=1)) > 0.6  # Enlarging changes what the net sees a little.
    assert answers["boxes"][1].max() <= 192 and answers["boxes"][2].max() <= 146


def test_train_evaluate_export_predict(tmp_path, run_command):
    def run(module, *arguments):
        process = run_command(module, *arguments)
        assert process.returncode == 0, process.stderr
        return process

    voc, model_dir = tmp_path / "voc", tmp_path / "run"
    write_voc(voc, *rectangles(6, seed=7))
    flags = [*FLAGS, f"--dataset=voc:{voc}", f"--model_dir={model_dir}", "--anchor_sizes=16,32", "--rpn_softmax"]
    sizes = ["--short_side=96", "--long_side=128", "--canvas=96,128"]
    training = ["--steps=4", "--batch_size=2", "--roi_batch_size=16", "--augmentation=iou_crop", "--validation_losses"]
    process = run("trainers.detection", *flags, *sizes, *training)
    printed = process.stdout
    assert "anchors reach " in process.stderr and (model_dir / "anchors.json").exists()
    config = json.loads((model_dir / "config.json").read_text())
    assert config["recipe_name"] == "faster_rcnn" and config["recipe"]["bias_learning_rate"] == 2.0
    assert config["options"]["rpn_softmax"] is True and config["recipe"]["augmentation"] == "iou_crop"
    assert config["options"]["anchor_sizes"] == [16, 32] and config["options"]["train_batch_norm"] is True
    sides = {"short_side": 96, "long_side": 128, "canvas": [96, 128]}
    assert config["resizing"] == {**sides, "as_torchvision": False}
    assert "Faster R-CNN (resnet) on voc: mAP@.5 " in printed

    run("trainers.evaluate", f"--model_dir={model_dir}")
    evaluation = json.loads((model_dir / "evaluation.json").read_text())
    assert (
        evaluation["images"] == 3
        and evaluation["map_50"] == json.loads((model_dir / "results.json").read_text())["map_50"]
    )
    assert evaluation["validation_loss"] > 0
    with open(model_dir / "per_class.csv") as file:
        assert [row["class"] for row in csv.DictReader(file)] == ["red", "blue", "mean"]
    assert Image.open(model_dir / "precision_recall.png").width > 200

    export = run("trainers.export", f"--model_dir={model_dir}", f"--output={tmp_path / 'export'}").stdout.strip()
    images = [save_png(file, tmp_path) for file in sorted((voc / "JPEGImages").glob("*.jpg"))[:2]]
    (tmp_path / "broken.png").write_bytes(b"no image")
    output = tmp_path / "boxes"
    flags = [f"--export={export}", "--json", f"--output={output}", "--score=0"]
    process = run_command("trainers.predict", *flags, *images, tmp_path / "broken.png")
    assert process.returncode == 1 and "1 of 3 files could not be decoded" in process.stderr
    answers = json.loads(process.stdout)
    assert "error" in answers[2] and len(answers[0]["boxes"]) == len(answers[0]["scores"]) > 0
    for image in images:
        copy = np.asarray(Image.open(output / image.name))
        assert copy.shape == (96, 96, 3) and np.any(copy != np.asarray(Image.open(image)))


def save_png(file, folder):
    path = folder / f"{file.stem}.png"
    Image.open(file).save(path)
    return path


def write_voc(root, images, annotations):
    """Writes a folder as of PASCAL VOC: half of the images to train on, half to measure with."""
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    (root / "labels.txt").write_text("\n".join(LABELS))
    names = [f"{i:06}" for i in range(len(images))]
    for name, image, annotation in zip(names, images, annotations):
        Image.fromarray(image).save(root / "JPEGImages" / f"{name}.jpg", quality=95)
        objects = "".join(
            f"<object><name>{LABELS[label]}</name><difficult>0</difficult><bndbox><xmin>{x1 + 1:.0f}</xmin>"
            f"<ymin>{y1 + 1:.0f}</ymin><xmax>{x2:.0f}</xmax><ymax>{y2:.0f}</ymax></bndbox></object>"
            for (x1, y1, x2, y2), label in zip(annotation.boxes, annotation.classes)
        )
        (root / "Annotations" / f"{name}.xml").write_text(
            f"<annotation><filename>{name}.jpg</filename><size><width>96</width><height>96</height><depth>3</depth>"
            f"</size>{objects}</annotation>"
        )
    half = len(names) // 2
    (root / "ImageSets/Main/trainval.txt").write_text("\n".join(names[:half]) + "\n")
    (root / "ImageSets/Main/test.txt").write_text("\n".join(names[half:]) + "\n")


@pytest.mark.parametrize(
    "flags, error",
    [
        (["--backbone=resnet1"], "--backbone=resnet1 is unknown: use resnet, resnet_v2, plainnet, plainnet18"),
        (["--augmentation=iou"], "flag --augmentation=iou: value should be one of <none|flip|"),
        (["--validation_losses", "--alternating"], "--validation_losses works without --alternating: leave one of"),
    ],
)
def test_wrong_flags_end_in_one_line(flags, error, tmp_path, run_command):
    given = {flag.partition("=")[0] for flag in flags}
    defaults = [f for f in [*FLAGS, "--dataset=digit_scenes"] if f.partition("=")[0] not in given]
    process = run_command("trainers.detection", *defaults, *flags, f"--model_dir={tmp_path / 'run'}")
    lines = [line for line in process.stderr.splitlines() if line.startswith("error: ")]
    assert process.returncode == 1 and "Traceback" not in process.stderr
    assert len(lines) == 1 and error in lines[0]
    assert not pathlib.Path(tmp_path / "run").exists()
