"""Training that starts from another net."""

import dataclasses
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from configurations import classification_config
from hub_cache import repository, use_cache
from photos import save_photos
from safetensors.numpy import save_file
from torch_tensors import state_dict

import keras_resnets
from keras_resnets import ArgumentError
from trainers.data.registry import open_dataset
from trainers.engine import fine_tuning, loop
from trainers.engine.checkpoints import restore_model
from trainers.engine.run_folder import RunFolder
from trainers.tasks.classification import Classification

pytestmark = pytest.mark.numerics


def train(path, steps=3, **changes):
    dataset = open_dataset("digits")
    changes = {"model": "cifar_resnet8", "batch_size": 8, **changes}
    config = classification_config(changes.pop("model"), "digits", dataset, "digits", steps=steps, seed=5, **changes)
    task = Classification(config, dataset)
    settings = loop.Settings(task.recipe, steps, log_every=1, evaluate_every=steps, checkpoint_every=steps)
    run = RunFolder(path)
    loop.run_loop(task, run, settings)
    model = task.build_model()
    restore_model(model, run)
    return task, model


def test_frozen_stages_keep_weights_and_statistics_and_use_them(tmp_path):
    task, model = train(tmp_path, freeze=["stem", "conv2"])
    start = task.build_model()
    moved = {
        re.split("[_/]", variable.path)[0]
        for variable, before in zip(model.variables, start.variables)
        if np.any(variable.numpy() != before.numpy())
    }
    assert moved == {"conv3", "conv4", "predictions"}
    # Inference mode: an image's features do not depend on the others of its batch.
    trunk = keras.Model(start.input, start.get_layer("conv2_out").output)
    images = tf.random.normal((4, 32, 32, 3))
    np.testing.assert_allclose(trunk(images, training=True)[:1], trunk(images[:1], training=True), atol=1e-5)


@pytest.mark.slow
def test_stages_learn_at_their_own_pace(tmp_path):
    steps = {}
    for name, rates in [("all", {}), ("slow", {"conv3": 0.1, "predictions": 0.0})]:
        task, model = train(tmp_path / name, steps=1, stage_learning_rates=rates)
        start = task.build_model()
        steps[name] = {
            v.path: v.numpy() - w.numpy() for v, w in zip(model.trainable_variables, start.trainable_variables)
        }
    for path, step in steps["all"].items():
        factor = 0.1 if path.startswith("conv3") else 0.0 if path.startswith("predictions") else 1.0
        np.testing.assert_allclose(steps["slow"][path], factor * step, rtol=1e-3, atol=1e-7, err_msg=path)


def test_stages_that_there_are_not():
    model = keras_resnets.CifarResNet(8)
    with pytest.raises(ArgumentError, match="--freeze: .* no stage 'conv5': it has stem, conv2, conv3, conv4, pred"):
        fine_tuning.freeze(model, ["conv2", "conv5"])
    with pytest.raises(ArgumentError, match="--stage_learning_rates: .* no stage 'head'"):
        fine_tuning.learning_rate_factors(model, {"head": 2.0})
    fine_tuning.freeze(model, ["stem"])
    with pytest.raises(ArgumentError, match="--stage_learning_rates=stem=0.1 has no effect, as --freeze has stem"):
        fine_tuning.learning_rate_factors(model, {"stem": 0.1})
    with pytest.raises(ArgumentError, match="leaves nothing to train"):
        fine_tuning.freeze(model, ["stem", "conv2", "conv3", "conv4", "predictions"])


def test_training_starts_from_published_weights_with_their_preprocessing(tmp_path):
    published = keras.applications.ResNet50(weights=None, input_shape=(32, 32, 3), include_top=False)
    published = keras.Model(
        published.input,
        keras.layers.Dense(7, name="predictions")(keras.layers.GlobalAveragePooling2D()(published.output)),
    )
    published.save_weights(tmp_path / "weights.weights.h5")
    config = classification_config(
        "resnet50", "digits", open_dataset("digits"), "digits", init_weights=str(tmp_path / "weights.weights.h5")
    )
    task = Classification(config, open_dataset("digits"))
    model = task.build_model()
    classifier = model.get_layer("predictions").get_weights()
    task.initialize(model)
    np.testing.assert_array_equal(model.get_layer("predictions").kernel, classifier[0])  # 10 classes, not 7
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    features = keras.Model(model.input, model.get_layer("conv5_out").output)(task.preprocessing.normalize(images))
    expected = keras.Model(published.input, published.layers[-3].output)(
        keras.applications.resnet.preprocess_input(images.copy())
    )
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_a_tag_gives_the_weights_and_all_of_the_preprocessing(tmp_path, monkeypatch):
    use_cache(monkeypatch, tmp_path)
    tensors = state_dict("torchvision_resnet18", classes=7)
    save_file(tensors, repository(tmp_path, "timm/resnet18.a3_in1k") / "model.safetensors")
    save_photos(tmp_path / "photos", {"train": 4, "val": 4})
    name, weights = f"folder:{tmp_path / 'photos'}", "timm:resnet18.a3_in1k"
    dataset = open_dataset(name)
    config = classification_config("resnet18", name, dataset, "imagenet", init_weights=weights)
    assert config["init_weights"] == weights
    measured = config["preprocessing"]
    assert (measured["size"], measured["short_side"], measured["pillow_filter"]) == (224, 235, "bicubic")
    larger = classification_config("resnet18", name, dataset, "imagenet", init_weights=weights, image_size=256)
    assert (larger["preprocessing"]["size"], larger["preprocessing"]["short_side"]) == (256, 269)
    task = Classification(config, dataset)
    model = task.build_model()
    assert model.input_shape == (None, 224, 224, 3)
    assert task.initialize(model).startswith("--init_weights: predictions is initialized at random")
    np.testing.assert_array_equal(model.get_layer("conv1_bn").gamma, tensors["bn1.weight"])


@pytest.mark.slow
def test_transfer_from_torchvisions_format_with_frozen_stages(tmp_path):
    save_file(state_dict("torchvision_resnet18"), tmp_path / "resnet18.safetensors")
    save_photos(tmp_path / "photos", {"train": 80, "val": 20})  # about 40 a class
    name = f"folder:{tmp_path / 'photos'}"
    dataset = open_dataset(name)
    config = classification_config(
        "resnet18",
        name,
        dataset,
        "imagenet",
        init_weights=str(tmp_path / "resnet18.safetensors"),
        freeze=["stem", "conv2", "conv3"],
        image_size=64,
        steps=3,
        batch_size=8,
        learning_rate=0.001,
    )
    assert config["preprocessing"]["mean"] == (123.675, 116.28, 103.53) and not config["preprocessing"]["bgr"]
    task = Classification(config, dataset)
    settings = loop.Settings(task.recipe, 3, log_every=1, evaluate_every=3, checkpoint_every=3)
    run = RunFolder(tmp_path / "run")
    loop.run_loop(task, run, settings)
    model = task.build_model()
    assert task.initialize(model) == (
        "--init_weights: predictions is initialized at random: the weights have none for these classes"
    )
    start = [(variable.path, variable.numpy()) for variable in model.variables]
    restore_model(model, run)
    moved = {path.split("/")[0] for (path, before), v in zip(start, model.variables) if np.any(before != v.numpy())}
    assert {re.split("[_/]", name)[0] for name in moved} == {"conv4", "conv5", "predictions"}
    assert "conv4_block1_1_bn" in moved


def test_weights_of_a_run_start_another_with_other_classes(tmp_path):
    first, model = train(tmp_path / "first")
    model.save_weights(tmp_path / "first.weights.h5")
    config = classification_config(
        "cifar_resnet8", "digits", open_dataset("digits"), "digits", init_weights=str(tmp_path / "first.weights.h5")
    )
    task = Classification(config, open_dataset("digits"))
    second = task.build_model()
    assert task.initialize(second) == (
        f"--init_weights: the classifier of {tmp_path / 'first.weights.h5'} is kept: it has as many classes, 10, and "
        "the file names none"
    )
    for one, other in zip(model.variables, second.variables):
        np.testing.assert_array_equal(one, other)  # The classes are as many: the classifier is loaded too.
    assert config["preprocessing"] == first.config["preprocessing"]


def test_the_folder_of_a_run_is_as_good_as_its_weights(tmp_path):
    first, model = train(tmp_path / "first", arguments={"filters": [4, 8, 16]})
    dataset = dataclasses.replace(open_dataset("digits"), mean=(1.0, 2.0, 3.0))
    same = {"arguments": {"filters": [4, 8, 16]}, "init_weights": str(tmp_path / "first")}
    config = classification_config("cifar_resnet8", "other", dataset, "digits", **same)
    second = Classification(config, dataset).build_model()
    assert Classification(config, dataset).initialize(second) is None
    assert all(np.array_equal(one, other) for one, other in zip(model.variables, second.variables))
    # Images are normalized as the weights have learned it, whatever the new ones are like.
    assert config["preprocessing"] == first.config["preprocessing"]
    # As many classes of other names: the run's classifier fits, but it is not theirs.
    others = [f"glyph {label}" for label in dataset.labels]
    second = Classification({**config, "labels": others}, dataset).build_model()
    classifier = second.get_layer("predictions").get_weights()
    assert Classification({**config, "labels": others}, dataset).initialize(second) == (
        "--init_weights: predictions is initialized at random: the weights have none for these classes"
    )
    assert all(map(np.array_equal, second.get_layer("predictions").get_weights(), classifier))
    assert np.array_equal(second.get_layer("conv1_conv").kernel, model.get_layer("conv1_conv").kernel)
