"""R-CNN and SPPnet in three stages (arXiv 1311.2524, sections 2.3 and 3.5; arXiv 1406.4729, section 4).

1. `fine_tuning/`, a run of its own: the network learns to classify regions with a softmax.
2. `features/` has the features of all regions, a file for each training image. One linear SVM for each class is trained
   on them: `svms.npz`.
3. Ridge regression corrects the boxes of each class: `box_regressors.npz`.

A file gets its name when it is complete. A process that is killed loses what it has done since the last file, and the
same command goes on from there.
"""

import pathlib
import time

import keras
import numpy as np
import tensorflow as tf

from keras_resnets.detection.fast_rcnn import given_proposals
from keras_resnets.detection.resizing import from_original
from keras_resnets.ops import boxes as box_arithmetic
from trainers.data.tf_data_options import AHEAD
from trainers.engine.checkpoints import trained_model
from trainers.engine.run_folder import RunFolder
from trainers.engine.task import Stages
from trainers.engine.train import train
from trainers.runtime.atomic_files import read_arrays, write_arrays
from trainers.runtime.progress import Progress
from trainers.tasks.detector_task import DetectorTask
from trainers.tasks.multi_stage import box_regression, svms

NEGATIVE_IOU = 0.3  # largest IoU of a negative region with an object of the class
REGRESSED_IOU = {"rcnn": 0.6, "spp_net": 0.5}  # least IoU with an object of a region that box regression learns from
APART_IOU = {"rcnn": None, "spp_net": 0.7}  # IoU of two negatives of an image beyond which one is left out


class FineTuning(DetectorTask):
    """The first stage, whose metrics are of the softmax scores."""

    def detections(self, model, inputs):
        features, (regions, exists) = model.features(inputs), given_proposals(inputs)
        shapes = inputs["image_shapes"]

        def score(regions):
            return model.softmax_scores(features, model.pool_scales(features, regions), shapes)

        return model.detect_by(score, regions, exists, shapes)


def stages(task: DetectorTask) -> Stages:
    """Returns the stages of an R-CNN or SPPnet."""

    def train_stages(run, strategy, settings):
        tuned = RunFolder(run.path / "fine_tuning")
        results = train(FineTuning(task.config, task.dataset), tuned, strategy=strategy, **settings)
        model = trained_model(task, tuned)
        return model, {"fine_tuning": results["seconds"], **_linear_stages(task, model, run)}

    return Stages(f"--system={task.config['system']}", train_stages)


def _linear_stages(task, model, run):
    """Trains a detector's SVMs and box regressors; returns the seconds of the stages."""
    system, classes = task.config["system"], len(task.config["labels"])
    clock = _Clock(run.path)
    files = write_features(task, model, run.path / "features", REGRESSED_IOU[system])
    clock.lap("features")
    svm = svms.train(files, classes, run.path / "svms.npz", NEGATIVE_IOU, APART_IOU[system])
    clock.lap("svms")
    stds = task.config["options"]["delta_stds"]
    regressors = box_regression.train(files, classes, run.path / "box_regressors.npz", stds)
    clock.lap("box_regressors")
    for name, weights in (("svms", svm), ("box_regressors", regressors)):
        model.linear.get_layer(name).set_weights(weights)
    return clock.seconds


class _Clock:
    """The seconds of each stage in the session that completed it."""

    def __init__(self, folder):
        self._file = folder / "stage_seconds.npz"
        done = read_arrays(self._file) if self._file.exists() else {}
        self.seconds = {name: float(value) for name, value in done.items()}
        self._start = time.monotonic()

    def lap(self, name):
        """Ends a stage; a later call keeps its seconds."""
        now = time.monotonic()
        self.seconds.setdefault(name, now - self._start)
        write_arrays(self._file, **self.seconds)
        self._start = now


def write_features(
    task: DetectorTask, model: keras.Model, folder: pathlib.Path, regressed_iou: float
) -> list[pathlib.Path]:
    """Writes the training data of the linear stages, a file for each training image that has none yet.

    The n regions of an image are its m objects and its proposals. A file has `features` (n, F) float32; `regions`
    (n, 4) and `true_boxes` (m, 4) float32, in pixels of the resized image; `true_classes` (m,) int32; and `trained_on`
    (m,) bool, False for ignored objects. Of the k regions that box regression learns from, it has `pooled` (k, E)
    float32 and `objects` (k, 2) int32, the numbers of the region and of the object that it overlaps most.

    Args:
        task: a task whose data set has proposals.
        model: its detector.
        folder: path; it is created if it is missing.
        regressed_iou: least IoU with an object of a region in `pooled`.

    Returns:
        The files' paths, one for each training image, in the data set's order.
    """
    folder.mkdir(parents=True, exist_ok=True)
    split = task.dataset.train
    files = [folder / f"{index:07}.npz" for index in range(split.size)]
    missing = np.array([not file.exists() for file in files])
    keys = split.keys(None).filter(lambda key: tf.gather(missing, key["index"]))
    examples = keys.map(lambda key: {**task.evaluation_example(split.load(key)), "index": key["index"]})
    describe = tf.function(lambda example: _describe(model, task, example))
    with Progress(split.size, "features", "images", done=int(np.sum(~missing))) as progress:
        for example in examples.prefetch(AHEAD):
            write_arrays(files[int(example["index"])], **_described(describe(example), regressed_iou))
            progress.update(1)
    return files


def _describe(model, task, example):
    """Returns the regions of an example without padding, their features, and the objects: see `write_features`."""
    batch = {name: value[tf.newaxis] for name, value in example.items()}
    inputs = task.inputs(batch)
    objects = from_original(example["true_boxes"], example["scales"])
    regions = tf.concat([objects[tf.newaxis], inputs["proposals"]], axis=1)
    maps = model.features(inputs)
    features, pooled = model.linear_features(maps, model.pool_scales(maps, regions), inputs["image_shapes"])
    is_object = example["true_classes"] >= 0
    exists = tf.concat([is_object, box_arithmetic.areas(inputs["proposals"][0]) > 0], axis=0)
    return {
        "features": tf.cast(features[0][exists], tf.float32),
        "pooled": tf.cast(pooled[0][exists], tf.float32),
        "regions": regions[0][exists],
        "true_boxes": objects[is_object],
        "true_classes": example["true_classes"][is_object],
        "trained_on": example["ignored"][is_object] == 0,
    }


def _described(example, regressed_iou):
    """Returns the arrays of a file from those of `_describe`."""
    arrays = {name: value.numpy() for name, value in example.items()}
    pooled, trained_on = arrays.pop("pooled"), arrays["trained_on"]
    ious = box_arithmetic.iou(arrays["regions"], arrays["true_boxes"]).numpy()
    ious = np.where(trained_on, ious, 0.0) if trained_on.size else np.zeros((len(ious), 1))
    chosen = np.flatnonzero(ious.max(axis=1) >= regressed_iou)
    objects = np.stack([chosen, ious[chosen].argmax(axis=1)], axis=1).astype(np.int32)
    return {**arrays, "pooled": pooled[chosen], "objects": objects}
