"""Training with images of two sizes: in turns (SPPnet, arXiv 1406.4729, section 2.3), or the smaller one first."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from configurations import classification_config
from processes import saved_variables
from tasks import Dropout

from keras_resnets import ArgumentError
from trainers.data.registry import open_dataset
from trainers.data.split import hold_out
from trainers.engine import loop
from trainers.engine.run_folder import RunFolder
from trainers.tasks.classification import Classification

pytestmark = pytest.mark.numerics


SIZE, SECOND = 32, 24
BATCH, EXAMPLES = 8, 20
RESOLUTIONS = [0, 0, 0, 1, 1, 0, 0, 0, 1]  # Steps begin at the examples 0, 8, 16; 24, 32; 40, 48, 56; 64.


def few_digits():
    """Returns the digits, with 20 images to train on."""
    dataset = open_dataset("digits")
    return dataclasses.replace(hold_out(dataset, dataset.train.size - EXAMPLES), test=dataset.test)


def make_task(task_class=Classification, steps=9, model="cifar_resnet8", **changes):
    dataset = few_digits()
    changes = {"batch_size": BATCH, "seed": 5, "second_side": SECOND, **changes}
    return task_class(classification_config(model, "digits", dataset, "digits", steps=steps, **changes), dataset)


def train(task, path, jit_compile=False):
    run, steps = RunFolder(path), task.config["steps"]
    settings = loop.Settings(task.recipe, steps, 1, steps, 2, jit_compile=jit_compile)
    loop.run_loop(task, run, settings)
    return run


def batches(task, first_step, count, context=None):
    return [*task.training_batches(first_step, context or tf.distribute.InputContext()).take(count)]


def test_odd_epochs_have_the_second_resolution():
    task = make_task()
    assert [batch["resolution"].numpy().tolist() for batch in batches(task, 0, 9)] == [
        [number] * BATCH for number in RESOLUTIONS
    ]
    assert [batch["resolution"].numpy()[0] for batch in batches(task, 4, 5)] == RESOLUTIONS[4:]
    # Both replicas of a machine have the step's.
    context = tf.distribute.InputContext(num_replicas_in_sync=2)
    of_replicas = batches(task, 2, 6, context)
    assert [batch["resolution"].numpy().tolist() for batch in of_replicas] == [
        [number] * 4 for number in (0, 0, 1, 1, 1, 1)
    ]
    assert "resolution" not in batches(make_task(second_side=0), 0, 1)[0]


def test_progressive_trainings_begin_with_the_second_resolution():
    task = make_task(side_schedule="progressive")
    assert [batch["resolution"].numpy()[0] for batch in batches(task, 0, 9)] == [1, 1, 1, 1, 0, 0, 0, 0, 0]
    assert [batch["resolution"].numpy()[0] for batch in batches(task, 3, 2)] == [1, 0]
    # Both replicas of a machine have the step's.
    context = tf.distribute.InputContext(num_replicas_in_sync=2)
    assert [batch["resolution"].numpy()[0] for batch in batches(task, 3, 4, context)] == [1, 1, 0, 0]
    with pytest.raises(ArgumentError, match="side_schedule='rising' is unknown: use 'alternating' or 'progressive'."):
        make_task(side_schedule="rising")


@pytest.mark.parametrize(
    "jit_compile, accumulation",
    [(False, 1), *(pytest.param(*values, marks=pytest.mark.slow) for values in ((True, 1), (False, 2)))],
)
def test_losses_are_those_of_the_resized_images(jit_compile, accumulation, tmp_path):
    # The weights stay as they are, and batch normalization has the batch's statistics.
    task = make_task(steps=5, learning_rate=0.0, weight_decay=0.0, accumulation=accumulation)
    run = train(task, tmp_path, jit_compile)
    losses = [line["loss"] for line in run.metrics() if "loss" in line]
    model = task.build_model()
    for number, batch, loss in zip(RESOLUTIONS[:5], batches(task, 0, 5), losses, strict=True):
        images = tf.cast(batch["image"], tf.float32)
        small = tf.image.resize(images, [SECOND, SECOND], antialias=True)
        expected, other = (
            np.mean([cross_entropy(task, model, batch, seen, part, accumulation) for part in range(accumulation)])
            for seen in ((small, images) if number else (images, small))
        )
        assert loss == pytest.approx(expected, rel=1e-4)
        assert abs(other - expected) > 1e-3


def cross_entropy(task, model, batch, images, part, parts):
    part = {"image": images[part::parts], "label": batch["label"][part::parts]}
    return task.losses(model, part, training=True)[0]["cross_entropy"]


def test_shapes_are_static_in_both_resolutions():
    task = make_task()
    (batch,) = batches(task, 0, 1)
    shapes = []

    @tf.function
    def trace(batch):
        for resolution in task.resolutions():
            shapes.append(resolution(batch)["image"].shape)

    trace(batch)
    assert shapes == [(BATCH, SIZE, SIZE, 3), (BATCH, SECOND, SECOND, 3)]


@pytest.mark.slow
@pytest.mark.parametrize("side_schedule, killed", [("alternating", 3), ("alternating", 5), ("progressive", 3)])
def test_a_resumed_run_equals_an_uninterrupted_one(side_schedule, killed, tmp_path):
    class Killed(Dropout):
        def training_batches(self, first_step, context):
            return super().training_batches(first_step, context).take(max(0, killed - first_step))

    whole = train(make_task(Dropout, side_schedule=side_schedule), tmp_path / "whole")
    with pytest.raises(ArgumentError, match="the data cannot be read .*End of sequence"):
        train(make_task(Killed, side_schedule=side_schedule), tmp_path / "parts")
    resumed = train(make_task(Dropout, side_schedule=side_schedule), tmp_path / "parts")
    expected, got = saved_variables(whole.path), saved_variables(resumed.path)
    assert expected.keys() == got.keys() and any("generators" in name for name in expected)
    assert all(np.array_equal(expected[name], got[name]) for name in expected)


def test_the_recipe_is_changed_and_switched_off():
    assert make_task().config["recipe"]["second_side"] == SECOND
    assert make_task(second_side=None).config["recipe"]["second_side"] is None
    task = make_task(second_side=0)
    assert task.config["recipe"]["second_side"] is None and len(task.resolutions()) == 1


def test_nets_that_cannot_take_two_sizes():
    with pytest.raises(ArgumentError, match="--second_side: input_shape=.* must have a height and a width"):
        make_task(model="zfnet", image_size=64).build_model()
    with pytest.raises(ArgumentError, match="--second_side: images of 16 pixels are too small for zfnet_spp"):
        make_task(model="zfnet_spp", image_size=64, second_side=16).build_model()
