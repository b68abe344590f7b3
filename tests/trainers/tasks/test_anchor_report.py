"""What a training says of the objects that its anchors reach."""

import json

import numpy as np
import pytest
import tensorflow as tf
from rectangles import LABELS, SIDE, dataset_of, make_task, rectangle_dataset, rectangles

from keras_resnets.detection.resizing import Resizing
from keras_resnets.images.formats import PNG
from trainers.data.detection_dataset import Annotation, DetectionDataset, file_split
from trainers.data.image_source import InspectedFile
from trainers.engine.run_folder import RunFolder
from trainers.engine.train import train
from trainers.tasks.anchor_report import anchor_report, anchors_of

pytestmark = pytest.mark.numerics


def report(task):
    """Returns the result of `anchor_report` for a task."""
    options = task.config["options"]
    anchors = anchors_of(task.build_model(), task.resizing.canvas)
    given = options["anchor_sizes"], options["cross_boundary_anchors"]
    return anchor_report(task.dataset.train, task.resizing, anchors, *given)


def test_anchors_are_those_that_training_matches():
    """As many as the proposal network has logits."""
    task = make_task(rectangle_dataset(2, seed=1), batch_size=2)
    model = task.build_model()
    anchors = anchors_of(model, task.resizing.canvas)
    features = model.features({"images": tf.zeros([1, SIDE, SIDE, 3]), "image_shapes": [[SIDE, SIDE]]})
    np.testing.assert_array_equal(anchors, model.anchors(features[0]))
    assert model.rpn(features[0])[0].shape == (1, len(anchors))


def test_anchors_that_cross_every_border_are_said_to_take_no_part():
    """An anchor as large as the image lies inside of it at no cell."""
    dataset = dataset_of(*rectangles(6, seed=5))
    found, lines = report(make_task(dataset, batch_size=2, options={"anchor_sizes": (96,), "anchor_ratios": (1,)}))
    assert found["images_without_anchors"] == found["images"] == 6 and found["reached_50"] == 0
    assert "no anchor takes part in training in 6 of 6 images: all cross the border" in lines
    assert found["suggestion"] in ("--anchor_sizes=23", "--anchor_sizes=32") and found["suggestion"] in lines[-1]
    options = {"anchor_sizes": (96,), "cross_boundary_anchors": True}
    found, lines = report(make_task(dataset, batch_size=2, options=options))
    assert found["images_without_anchors"] == 0 and not any("takes part" in line for line in lines)


def test_suggested_sizes_reach_more_and_nothing_is_suggested_twice():
    dataset = rectangle_dataset(12, seed=5)
    before, _ = report(make_task(dataset, batch_size=2, options={"anchor_sizes": (64, 80), "anchor_ratios": (1,)}))
    sizes = tuple(map(int, before["suggestion"].removeprefix("--anchor_sizes=").split(",")))
    after, lines = report(make_task(dataset, batch_size=2, options={"anchor_sizes": sizes, "anchor_ratios": (1,)}))
    assert after["reached_50"] > before["reached_50"] + before["objects"] / 4
    assert after["suggestion"] in (None, "--cross_boundary_anchors")


def test_ignored_objects_do_not_count():
    images, annotations = rectangles(2, seed=4, objects=(2, 3))
    annotations[0].ignored[0] = True
    assert report(make_task(dataset_of(images, annotations), batch_size=2))[0]["objects"] == 3
    nothing = dataset_of(images, [Annotation.of([], [])] * 2)
    found, lines = report(make_task(nothing, batch_size=2))
    assert found["objects"] == 0 and found["suggestion"] is None
    assert lines == ["there is no object to train on in 2 of 2 training images"]


def test_files_are_not_read_as_their_sizes_are_known(tmp_path):
    """Boxes are those of images whose short side became 100: no file is there."""
    files = [InspectedFile(tmp_path / "a.png", 40_000, 20_000, PNG), InspectedFile(tmp_path / "b.png", 50, 50, PNG)]
    annotations = [Annotation.of([[0, 0, 8_000, 8_000]], [0]), Annotation.of([[0, 0, 10, 10]], [1])]
    split = file_split(files, annotations)
    dataset = DetectionDataset(LABELS, None, 1, split, split)
    anchors = np.float32([[0, 0, 40, 40], [0, 0, 20, 20], [90, 90, 110, 110]])
    found, _ = anchor_report(dataset.train, Resizing(100, 200, (224, 224)), anchors, (40, 20), False)
    assert found["reached_70"] == found["objects"] == 2 and found["medium"]["objects"] == 1


@pytest.mark.slow
def test_a_new_run_says_and_writes_it(tmp_path, capsys):
    task, run = make_task(rectangle_dataset(4, seed=1), steps=1, batch_size=2), RunFolder(tmp_path / "run")
    train(task, run)
    assert "anchors reach " in capsys.readouterr().err
    written = json.loads((run.path / "anchors.json").read_text())
    assert written["images"] == 4 and {"objects", "reached_50", "reached_70", "small", "suggestion"} <= written.keys()
    longer = make_task(rectangle_dataset(4, seed=1), steps=2, batch_size=2)
    train(longer, run)
    assert "anchors reach " not in capsys.readouterr().err
