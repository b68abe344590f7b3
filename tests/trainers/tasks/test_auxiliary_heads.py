"""Training with an auxiliary classifier, and using what came out without it."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from configurations import classification_config

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.models.auxiliary_head import without_auxiliary_head
from keras_resnets.serving import SavedModelSession
from trainers.data.registry import open_dataset
from trainers.data.split import hold_out
from trainers.engine import loop
from trainers.engine.checkpoints import trained_model
from trainers.engine.run_folder import RunFolder
from trainers.serving.export import export
from trainers.tasks.classification import Classification
from trainers.tasks.multi_view import MultiViewNet, evaluate_ensemble

WIDTH, EXAMPLES = 1 / 32, 12
SIZE = 139  # px: the map of stride 16 has 7x7 pixels


def make_task(model="inception_v3", **changes):
    dataset = open_dataset("digits")
    dataset = hold_out(dataset, dataset.train.size - EXAMPLES)
    dataset = dataclasses.replace(dataset, test=dataset.train)
    changes = {"image_size": SIZE, "arguments": {"width": WIDTH}, "auxiliary_weight": 0.4, "batch_size": 4, **changes}
    return Classification(classification_config(model, "digits", dataset, "digits", **changes), dataset)


@pytest.fixture(scope="module")
def batch():
    (found,) = make_task().training_batches(0, tf.distribute.InputContext()).take(1)
    return found


def test_the_auxiliary_classifier_has_its_share_in_the_loss(batch):
    task = make_task()
    assert task.config["arguments"] == {"width": WIDTH, "auxiliary_head": True}
    model = task.build_model()
    losses, figures = task.losses(model, batch, training=False)
    images = task.preprocessing.normalize(batch["image"])
    answers = model(images, training=False)
    expected = [
        tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(batch["label"], logits)) for logits in answers
    ]
    np.testing.assert_allclose(
        [losses["cross_entropy"], losses["auxiliary"]], expected * np.float32([1, 0.4]), rtol=1e-5
    )
    # All else is the main classifier's.
    predicted = task.predictions(model, batch)["predicted"]
    np.testing.assert_array_equal(predicted, np.argmax(answers[0], axis=1))
    np.testing.assert_allclose(figures["training_error"], np.mean(predicted != batch["label"]), rtol=1e-6)
    np.testing.assert_array_equal(
        without_auxiliary_head(model)(task.preprocessing.normalize(batch["image"])), answers[0]
    )


def test_without_a_weight_there_is_no_auxiliary_classifier():
    for weight in (None, 0):
        config = make_task(auxiliary_weight=weight).config
        assert config["arguments"] == {"width": WIDTH} and config["auxiliary_weight"] is None
    assert "auxiliary_head" not in make_task("cifar_resnet8", arguments={}, auxiliary_weight=None).config["arguments"]


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--model=cifar_resnet8"], "error: --auxiliary_weight=0.4 has no effect with --model=cifar_resnet8: leave it"),
        (["--model=inception_v4", "--remat"], "error: --auxiliary_weight=0.4 cannot be combined with --remat"),
        (["--model=inception_v3", "--image_size=75"], "error: --auxiliary_weight: auxiliary_head=True needs an input"),
        (
            ["--model=inception_v3", "--auxiliary_weight=nan"],
            "--auxiliary_weight=nan must be a finite",
        ),
        (
            ["--model=inception_v3", "--auxiliary_weight=inf"],
            "--auxiliary_weight=inf must be a finite",
        ),
    ],
)
def test_flags_that_cannot_work(flags, message, tmp_path, run_command):
    flags = ["--dataset=digits", "--auxiliary_weight=0.4", f"--model_dir={tmp_path / 'run'}", *flags]
    process = run_command("trainers.classification", *flags)
    assert process.returncode == 1 and message in process.stderr and "Traceback" not in process.stderr
    assert not (tmp_path / "run").exists()


def test_training_starts_from_weights_of_a_net_without_it(tmp_path, randomize):
    plain = randomize(keras_resnets.InceptionV3(width=WIDTH, input_shape=(SIZE, SIZE, 3), classes=7))
    plain.save_weights(tmp_path / "plain.weights.h5")
    task = make_task(init_weights=str(tmp_path / "plain.weights.h5"))
    model = task.build_model()
    note = task.initialize(model)
    assert "predictions" in note and "auxiliary_predictions is initialized at random" in note
    kernels = [net.get_layer("conv5_block2_branch1_1_conv").kernel for net in (model, plain)]
    np.testing.assert_array_equal(*kernels)


@pytest.mark.slow
def test_it_is_trained_but_neither_evaluated_nor_exported(tmp_path, batch):
    task, run = make_task(steps=2), RunFolder(tmp_path / "run")
    results = loop.run_loop(task, run, loop.Settings(task.recipe, 2, 1, 2, 2))
    trained, start = trained_model(task, run), task.build_model()
    for name in ("auxiliary_1_conv", "auxiliary_predictions", "conv5_block1_branch1_1_conv"):
        assert np.any(trained.get_layer(name).kernel != start.get_layer(name).kernel)
    images = batch["image"].numpy()
    expected = tf.nn.softmax(trained(task.preprocessing.normalize(images), training=False)[0])
    session = SavedModelSession(export(run, tmp_path / "export", warmup=False).parent)
    found = session("serving_default", images=images)["probabilities"]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
    members = [MultiViewNet(run.path, task, trained, 2, protocol) for protocol in ("single_crop", "dense")]
    _, figures = evaluate_ensemble(members, task.dataset)
    assert figures["members"][0]["top1_error"] == results["top1_error"]


def test_an_auxiliary_head_needs_a_classifier():
    with pytest.raises(ArgumentError, match="auxiliary_head=True has no effect with include_top=False"):
        keras_resnets.InceptionV3(include_top=False, auxiliary_head=True)
