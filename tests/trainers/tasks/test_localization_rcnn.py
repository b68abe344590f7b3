"""The second stage of localization: an R-CNN on a localizer's regions."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from configurations import localization_config, localization_rcnn_config
from rectangles import STAGES, write_coco

from keras_resnets import ArgumentError
from keras_resnets.detection.resizing import Resizing
from keras_resnets.ops.boxes import iou
from keras_resnets.serving import SavedModelSession
from trainers.data.registry import open_detection_dataset
from trainers.engine import train
from trainers.engine.checkpoints import restore_model
from trainers.engine.predictor import predictor
from trainers.engine.run_folder import RunFolder
from trainers.evaluation.evaluate import evaluate
from trainers.serving.export import export
from trainers.tasks.localization import Localization
from trainers.tasks.localization_rcnn import LocalizationRCNN

pytestmark = [pytest.mark.slow, pytest.mark.numerics]
COMMON = {
    "batch_size": 6,
    "learning_rate": 5e-3,
    "batch_norm_momentum": 0.9,
    "resizing": Resizing(96, 96, (96, 96)),
    **STAGES,
}


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    """The tasks and runs of a localizer that knows little yet, and of the second stage."""
    folder, found = tmp_path_factory.mktemp("localization"), []
    name = write_coco(folder, 6, seed=1, objects=(1, 2))
    dataset = open_detection_dataset(name)
    options = {"anchor_sizes": (16, 32), "post_nms_topk": 30}
    config = localization_config("resnet", name, dataset, "one_digit_scenes", options=options, steps=60, **COMMON)
    found.append((Localization(config, dataset), RunFolder(folder / "localizer")))
    train.train(*found[0])
    options = {"warp_size": 32, "warp_context": 2}
    config = localization_rcnn_config(
        "resnet",
        name,
        dataset,
        "one_digit_scenes",
        localizer_dir=folder / "localizer",
        options=options,
        steps=150,
        **COMMON,
    )
    found.append((LocalizationRCNN(config, dataset), RunFolder(folder / "second")))
    train.train(*found[1])
    return found


def predictions(task, run):
    model = task.build_model()
    restore_model(model, run)
    return predictor(task, model, tf.distribute.get_strategy())()


def test_it_corrects_the_boxes_of_the_first_stage(stages):
    overlaps = []
    for task, run in stages:
        found = predictions(task, run)
        true = found["true_boxes"][:, :1]
        overlaps.append(iou(found["boxes"], true).numpy().mean())
        assert found["boxes"].shape == (6, 1, 4) and np.all((found["scores"] >= 0) & (found["scores"] <= 1))
    assert stages[1][1].results()["localization_error"] == 0
    assert overlaps[1] > max(overlaps[0], 0.8)


def test_it_learns_from_the_regions_of_the_true_class(stages):
    (first, run), (second, _) = stages
    model = first.build_model()
    restore_model(model, run)
    batch = next(iter(second.training_batches(0, tf.distribute.InputContext())))
    classes = tf.reduce_max(batch["classes"], axis=1, keepdims=True)  # There is one object.
    expected, exist = model.propose({**first.inputs(batch), "classes": classes})
    for proposals, boxes, there in zip(batch["proposals"], expected[:, 0], exist[:, 0]):
        count = int(np.sum(there))
        np.testing.assert_allclose(proposals[:count], boxes[:count], rtol=0, atol=1e-2)
        assert count > 1 and not np.any(proposals[count:])


def test_it_is_evaluated_as_the_first_stage(stages):
    _, run = stages[1]
    _, results = evaluate(run)
    assert results["localization_error"] == 0 and results["model"] == "localization_rcnn"
    assert json.loads((run.path / "evaluation.json").read_text()) == results


def test_the_export_has_both_stages_and_says_what_the_trainer_does(stages, tmp_path):
    task, run = stages[1]
    expected = predictions(task, run)
    path = export(run, tmp_path / "export")
    images = np.stack([task.dataset.test.load(key)["image"].pixels() for key in task.dataset.test.keys(None)])
    answers = SavedModelSession(path)("serving_default", images=images, classes=expected["classes"])
    for name in ("boxes", "scores", "classes"):
        np.testing.assert_allclose(answers[name], expected[name], rtol=0, atol=1e-2 if name == "boxes" else 1e-4)


def test_the_localizer_must_be_one_with_the_same_classes(stages, tmp_path):
    config, dataset = stages[1][0].config, stages[0][0].dataset
    with pytest.raises(ArgumentError, match="--localizer_dir=.*second must be a run of trainers.localization"):
        LocalizationRCNN({**config, "localizer_dir": str(stages[1][1].path)}, dataset)
    with pytest.raises(ArgumentError, match="--localizer_dir=.* with the same classes"):
        LocalizationRCNN({**config, "labels": ["a", "b"]}, dataset)
    other = {**config["resizing"], "short_side": 48}
    with pytest.raises(ArgumentError, match="has other image sizes: pass its --short_side, --long_side and"):
        LocalizationRCNN({**config, "resizing": other}, dataset)
    shutil.copytree(stages[0][1].path, tmp_path / "begun")
    (tmp_path / "begun" / "results.json").unlink()
    with pytest.raises(ArgumentError, match="--localizer_dir=.*begun is not complete: give the command that trains it"):
        LocalizationRCNN({**config, "localizer_dir": str(tmp_path / "begun")}, dataset)
    with pytest.raises(ArgumentError, match="--localizer_dir=.* holds no run: train one there"):
        LocalizationRCNN({**config, "localizer_dir": str(tmp_path)}, dataset)
