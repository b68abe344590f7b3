"""Training and evaluating a localizer, with given classes and with those of a classification net."""

import json

import numpy as np
import pytest
import tensorflow as tf
from configurations import classification_config, localization_config, localization_rcnn_config
from PIL import Image
from rectangles import STAGES, dataset_of, rectangle_dataset, rectangles

from keras_resnets import ArgumentError
from keras_resnets.detection.resizing import Resizing
from keras_resnets.serving import RestClient, SavedModelSession
from trainers.data.augmentation.detection import AUGMENTATIONS
from trainers.data.detection_dataset import DetectionDataset
from trainers.data.registry import open_dataset, open_detection_dataset
from trainers.data.split import Split
from trainers.engine import loop, train
from trainers.engine.checkpoints import restore_model
from trainers.engine.predictor import predictor
from trainers.engine.run_folder import RunFolder
from trainers.evaluation.evaluate import evaluate
from trainers.metrics.localization import localization_error
from trainers.recipes import localization as recipes
from trainers.recipes.classification import RECIPES
from trainers.serving.export import export
from trainers.serving.rest_server import start_rest
from trainers.serving.service import Service
from trainers.tasks import classification
from trainers.tasks.localization import Localization, class_proposals, image_class

pytestmark = pytest.mark.numerics
FLAGS = ["--backbone=resnet", "--block_counts=1,1,1", "--filters=8,16,32", "--dataset=one_digit_scenes"]
# With four images, eight anchors a step are few to learn from: most that half overlap an object would never be seen.
QUICK = {
    "options": {"rpn_batch_size": 64, "rpn_foreground_iou": 0.5, "rpn_background_iou": 0.5},
    "batch_norm_momentum": 0.9,
    "learning_rate": 5e-3,
}


def make_task(dataset, **changes):
    options = {"anchor_sizes": (16, 32), **changes.pop("options", {})}
    config = localization_config(
        "resnet", "rectangles", dataset, "one_digit_scenes", **STAGES, options=options, **changes
    )
    return Localization(config, dataset)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run that has learned four images of one rectangle by heart: the run, its task, its model, and its results."""
    task = make_task(rectangle_dataset(4, seed=1, objects=(1, 2)), steps=200, batch_size=4, **QUICK)
    run = RunFolder(tmp_path_factory.mktemp("trained") / "run")
    settings = loop.Settings(task.recipe, steps=200, log_every=50, evaluate_every=200, checkpoint_every=200)
    results = loop.run_loop(task, run, settings)
    model = task.build_model()
    restore_model(model, run)
    return run, task, model, results


def test_four_images_are_learned_by_heart(trained):
    run, task, _, results = trained
    assert results["localization_error"] == 0 and task.selection_metric(results) == 0
    assert task.summary(results) == "localization error 0.00% (class given)"
    task.draw_learning_curve(run.metrics(), run.learning_curve)
    assert Image.open(run.learning_curve).width > 200


def test_predictions_are_in_pixels_of_the_original(trained):
    """A canvas of twice the size, with the same weights: the boxes keep their pixels, roughly."""
    _, task, model, _ = trained
    boxes = predictor(task, model, tf.distribute.get_strategy())()["boxes"]
    resizing = {"short_side": 192, "long_side": 192, "canvas": (192, 192)}
    large = Localization({**task.config, "resizing": resizing}, task.dataset)
    found = predictor(large, model, tf.distribute.get_strategy())()
    assert boxes.shape == found["boxes"].shape == (4, 1, 4)
    assert np.max(found["boxes"]) <= 96 and np.max(boxes) <= 96
    batch = next(iter(large.evaluation_batches()))
    canvas_boxes = model({name: batch[name] for name in ("images", "image_shapes", "classes")})["boxes"]
    np.testing.assert_allclose(found["boxes"], canvas_boxes[:4] / 2, atol=1e-3)


def test_proposals_of_given_classes(trained):
    _, task, model, _ = trained
    split = task.dataset.train
    classes = np.stack([[image_class(split.load(key)), -1] for key in split.keys(None)])
    rows = list(class_proposals(task, model, split, classes))
    assert [index for index, _, _ in rows] == [0, 1, 2, 3]
    best = np.stack([boxes[:1, 0] for _, boxes, _ in rows])
    assert all(boxes.shape == (2, 200, 4) and exist[0, 0] and not exist[1].any() for _, boxes, exist in rows)
    truth = predictor(task, model, tf.distribute.get_strategy())()
    np.testing.assert_allclose(best, truth["boxes"], atol=1e-2)
    assert localization_error({**truth, "boxes": best}) == 0


def test_the_class_of_an_image_is_that_of_its_first_object_that_counts():
    images, annotations = rectangles(3, seed=4, objects=(2, 3))
    for annotation, classes, ignored in zip(annotations, [(0, 1), (0, 1), (1, 0)], [(0, 0), (1, 0), (1, 1)]):
        annotation.classes[:], annotation.ignored[:] = classes, ignored
    split = dataset_of(images, annotations).train
    assert [int(image_class(split.load(key))) for key in split.keys(None)] == [0, 1, -1]


@pytest.mark.slow
def test_images_of_several_classes_and_none_train_and_evaluate(tmp_path):
    images, annotations = rectangles(4, seed=2)
    annotations[1] = type(annotations[1]).of([], [])
    task = make_task(dataset_of(images, annotations), steps=2, batch_size=4)
    results = train.train(task, RunFolder(tmp_path / "run"), log_every=1)
    assert results["localization_error"] in (0, 1 / 3, 2 / 3, 1)


def test_the_papers_localization():
    """256 images a step, 224 of 256 pixels, eight anchors of each, half of them of objects; then regions of 256."""
    dataset = DetectionDataset(("a",), None, None, Split(300, None, None), None)
    config = localization_config("resnet50", "voc:/data", dataset, "imagenet")
    recipe, options = config["recipe"], config["options"]
    assert (recipe["optimizer"], recipe["batch_size"], recipe["augmentation"]) == ("sgd", 256, "crop_and_color")
    assert (
        options["rpn_batch_size"] == 8 and options["rpn_positive_fraction"] == 0.5 and options["post_nms_topk"] == 200
    )
    assert config["resizing"]["short_side"] == 256
    assert AUGMENTATIONS[recipe["augmentation"]].resizing(Resizing(**config["resizing"])).canvas == (224, 224)
    assert recipe["decay"] == RECIPES["imagenet"].decay == "all"  # as of classification
    second = localization_rcnn_config("resnet50", "voc:/data", dataset, "imagenet", localizer_dir="/first")
    assert second["recipe"] == {**recipe, "augmentation": "flip"} and second["resizing"] == config["resizing"]
    options = second["options"]
    assert second["recipe"]["batch_size"] * options["roi_batch_size"] == 256
    assert (options["warp_size"], options["warp_context"]) == (224, 0)  # the region, and nothing around it
    assert not options["svm"]
    assert recipes.default_recipe("tfds:imagenet") == recipes.default_recipe("voc:/data") == "imagenet"
    assert recipes.default_recipe("one_digit_scenes") == "one_digit_scenes"  # not mirrored
    assert recipes.RECIPES["one_digit_scenes"].recipe.augmentation == "none"


def test_training_sees_crops_and_the_objects_that_are_in_them():
    dataset = rectangle_dataset(8, seed=3)
    config = localization_config("resnet", "rectangles", dataset, "imagenet", **STAGES, batch_size=8)
    task = Localization(config, dataset)
    batch = next(iter(task.training_batches(0, tf.distribute.InputContext())))
    assert batch["images"].shape == (8, 84, 84, 3) and np.all(batch["image_shapes"] == 84)  # of 96
    is_object = batch["classes"].numpy() >= 0
    found = batch["boxes"].numpy()[is_object]
    assert np.all(found >= 0) and np.all(found <= 84) and np.all(found[:, 2:] > found[:, :2])
    count = sum(len(task.dataset.train.load(key)["classes"]) for key in task.dataset.train.keys(None))
    assert 0 < len(found) < count and np.all(batch["boxes"].numpy()[~is_object] == -1)
    assert next(iter(task.evaluation_batches()))["images"].shape[1:] == (96, 96, 3)


def test_one_digit_scenes_have_a_recipe_of_their_own():
    task = Localization(
        localization_config("resnet", "one_digit_scenes", rectangle_dataset(16, 0), "one_digit_scenes"), None
    )
    assert task.config["options"]["rpn_batch_size"] == 8 and task.config["options"]["train_batch_norm"]
    assert task.config["options"]["rpn_positive_fraction"] == 0.5 and task.config["options"]["post_nms_topk"] == 200


@pytest.fixture
def few_scenes(monkeypatch):
    """Makes one_digit_scenes small."""
    from trainers.data.sources import digit_scenes

    monkeypatch.setattr(digit_scenes, "ONE_DIGIT_TRAIN", 16)
    monkeypatch.setattr(digit_scenes, "ONE_DIGIT_TEST", 8)


@pytest.mark.slow
def test_the_classes_may_be_a_classification_nets(few_scenes, tmp_path):
    def scenes(run, kind, configured, name, opened):
        config = configured(name, "one_digit_scenes", opened, recipe, steps=1, batch_size=8, **stages)
        train.train(kind(config, opened), run)
        return run

    recipe, stages = "one_digit_scenes", {"block_counts": (1, 1), "filters": (8, 8)}
    opened = open_detection_dataset("one_digit_scenes")
    localizer = scenes(RunFolder(tmp_path / "localizer"), Localization, localization_config, "resnet", opened)
    recipe, stages, opened = "digits", {}, open_dataset("one_digit_scenes")
    kind = classification.Classification
    classifier = scenes(RunFolder(tmp_path / "classifier"), kind, classification_config, "cifar_resnet8", opened)

    task, results = evaluate(localizer, classifier_dir=classifier.path)
    assert f"{results['localization_error_predicted']:.2%} (classes predicted)" in task.summary(results)
    predictions = predictor(task, task.build_model(), tf.distribute.get_strategy())()
    assert predictions["predicted_boxes"].shape == (8, 5, 4)
    classifying = kind(classifier.config(), opened)
    net = classifying.build_model()
    restore_model(net, classifier)
    expected = predictor(classifying, net, tf.distribute.get_strategy())()
    np.testing.assert_array_equal(predictions["predicted_classes"][:, 0], expected["predicted"])
    among = np.any(predictions["predicted_classes"] == expected["label"][:, np.newaxis], axis=1)
    np.testing.assert_array_equal(among, expected["rank"] < 5)

    with pytest.raises(ArgumentError, match="--classifier_dir=.* must be a run of trainers.classification with"):
        evaluate(localizer, classifier_dir=localizer.path)
    with pytest.raises(ArgumentError, match="--classifier_dir=.* is for runs of trainers.localization and trainers.l"):
        evaluate(classifier, classifier_dir=classifier.path)


def test_the_export_says_what_the_trainer_does(trained, tmp_path, run_command):
    run, task, model, _ = trained
    path = export(run, tmp_path / "export")
    predictions = predictor(task, model, tf.distribute.get_strategy())()
    images = [task.dataset.test.load(key)["image"].pixels().numpy() for key in task.dataset.test.keys(None)]
    session = SavedModelSession(path)
    answers = session("serving_default", images=np.stack(images), classes=predictions["classes"])
    for name in ("boxes", "scores", "classes"):
        np.testing.assert_allclose(answers[name], predictions[name], rtol=0, atol=1e-2 if name == "boxes" else 1e-4)

    Image.fromarray(images[0]).save(tmp_path / "image.png")
    label = int(predictions["classes"][0, 0])
    flags = [f"--export={path}", "--json", "--score=0", f"--output={tmp_path / 'drawn'}"]
    process = run_command("trainers.predict", *flags, f"--classes={label}", tmp_path / "image.png")
    assert process.returncode == 0, process.stderr
    (answer,) = json.loads(process.stdout)
    assert answer["labels"] == [task.config["labels"][label]] and answer["classes"] == [label]
    np.testing.assert_allclose(answer["boxes"], predictions["boxes"][0], atol=1e-2)
    assert np.any(np.asarray(Image.open(tmp_path / "drawn" / "image.png")) != images[0])
    process = run_command("trainers.predict", *flags, f"--classes=12,{label}", tmp_path / "image.png")
    assert process.returncode == 1 and process.stdout == ""
    assert process.stderr.splitlines()[-1] == "error: --classes=12: the export has no such classes: leave them out."
    server, port = start_rest(Service(path), 0)
    asked = {"image_bytes": [(tmp_path / "image.png").read_bytes()], "classes": [[-1, label]]}
    served = RestClient(f"localhost:{port}", "export")("image_bytes", **asked)
    server.stop(None)
    assert served["classes"].tolist() == [[-1, label]] and served["status"].tolist() == [b"OK"]
    np.testing.assert_allclose(served["boxes"][0, 1], predictions["boxes"][0, 0], atol=1e-2)
    process = run_command("trainers.predict", f"--export={path}", tmp_path / "image.png")
    assert process.returncode == 1 and f"error: --export={path} finds objects of given classes" in process.stderr


def test_what_an_export_of_a_localizer_cannot_have(trained, tmp_path):
    run = trained[0]
    for settings, message in [
        ({"svd_ranks": {"fc6": 2}}, "--svd_ranks=fc6=2 is for runs of trainers.detection: leave it out"),
        ({"stages": ["conv4_out"]}, "--stages=conv4_out is for runs of trainers.classification: leave it out"),
        ({"ensemble": [str(run.path)]}, "--ensemble=.* is for runs of trainers.detection: leave it out"),
    ]:
        with pytest.raises(ArgumentError, match=message):
            export(run, tmp_path / "export", **settings)
    assert not (tmp_path / "export").exists()


@pytest.mark.slow
def test_train_and_evaluate(tmp_path, run_command):
    model_dir = tmp_path / "run"
    command = ["trainers.localization", *FLAGS, f"--model_dir={model_dir}", "--steps=2", "--batch_size=4"]
    process = run_command(*command, "--rpn_batch_size=16", "--anchor_sizes=32,64")
    assert process.returncode == 0, process.stderr
    config = json.loads((model_dir / "config.json").read_text())
    assert config["task"] == "localization" and config["recipe_name"] == "one_digit_scenes"
    assert config["options"]["rpn_batch_size"] == 16 and config["options"]["anchor_sizes"] == [32, 64]
    results = json.loads((model_dir / "results.json").read_text())
    error = f"localization error {results['localization_error']:.2%} (class given)"
    assert f"Localizer (resnet) on one_digit_scenes: {error}, 2 steps" in process.stdout

    process = run_command("trainers.evaluate", f"--model_dir={model_dir}")
    assert process.returncode == 0, process.stderr
    assert process.stdout == f"Localizer (resnet) on one_digit_scenes, step 2, 400 images: {error}\n"
    evaluation = json.loads((model_dir / "evaluation.json").read_text())
    assert evaluation["images"] == 400 and evaluation["localization_error"] == results["localization_error"]


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--backbone=resnet1"], "error: --backbone=resnet1 is unknown: use resnet, resnet_v2, plainnet, plainnet18"),
        (["--recipe=digit_scenes"], "error: --recipe=digit_scenes is unknown: use imagenet, one_digit_scenes."),
        (
            ["--dataset=digits"],
            "error: --dataset=digits has no boxes or is unknown (did you mean digit_scenes?): use digit_scenes,",
        ),
        (["--post_nms_topk=0"], "error: --post_nms_topk=0 must be a positive integer"),
        (["--roi_pooling=max"], "Unknown command line flag 'roi_pooling'"),
    ],
)
def test_wrong_flags_end_in_one_line(flags, message, tmp_path, run_command):
    process = run_command("trainers.localization", *FLAGS, *flags, f"--model_dir={tmp_path / 'run'}")
    assert process.returncode == 1 and message in process.stderr and "Traceback" not in process.stderr
    assert not (tmp_path / "run").exists()
