"""The training loop, with the classification task on real digits."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_resnets import ArgumentError
from trainers import loop
from trainers.classification import Classification, configure, top_errors
from trainers.classification import train as train_classification
from trainers.data.dataset import open_dataset
from trainers.recipes import Recipe
from trainers.run import Run


class Dropout(Classification):
    """The task with a random layer in its net."""

    def build_model(self, classifier_activation=None):
        model = super().build_model(classifier_activation)
        *_, pooled, classifier = model.layers
        features = keras.layers.Dropout(0.5, seed=1)(pooled.output)
        return keras.Model(model.input, classifier(features))


class Killed(Exception):
    pass


def killed_at(step):
    """A task that dies when it is asked for the batch of that step."""

    class Task(Dropout):
        def training_batches(self, first_step, steps):
            for i, batch in enumerate(super().training_batches(first_step, steps), start=first_step):
                if i == step:
                    raise Killed
                yield batch

    return Task


def digits(steps, **changes):
    dataset = open_dataset("digits")
    config = configure("cifar_resnet8", "digits", dataset, "digits", steps=steps, batch_size=8, seed=5, **changes)
    return config, dataset


def train(task_class, path, steps, checkpoint_every, weight_decay=None, jit_compile=False, log_every=1):
    config, dataset = digits(steps)
    recipe = Recipe(**config["recipe"])
    run = Run(path)
    settings = loop.Settings(
        optimizer=recipe.optimizer(steps),
        weight_decay=recipe.weight_decay if weight_decay is None else weight_decay,
        batch_size=8,
        steps=steps,
        log_every=log_every,
        evaluate_every=4,
        checkpoint_every=checkpoint_every,
        jit_compile=jit_compile,
    )
    loop.train(task_class(config, dataset), run, settings)
    return run


def final_variables(run):
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(run.checkpoints))
    names = [name for name in reader.get_variable_to_shape_map() if name.endswith("VARIABLE_VALUE")]
    return {name: reader.get_tensor(name) for name in names}


def without_times(lines):
    return [{key: line[key] for key in line if key not in ("seconds", "examples_per_second")} for line in lines]


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path):
    whole = train(Dropout, tmp_path / "whole", steps=8, checkpoint_every=3, log_every=4)
    with pytest.raises(Killed):
        train(killed_at(5), tmp_path / "parts", steps=8, checkpoint_every=3, log_every=4)
    resumed = train(Dropout, tmp_path / "parts", steps=8, checkpoint_every=3, log_every=4)
    expected, got = final_variables(whole), final_variables(resumed)
    assert expected.keys() == got.keys() and any("generators" in name for name in expected)
    assert all(np.array_equal(expected[name], got[name]) for name in expected if "save_counter" not in name)
    # The lines after step 3, whose figures were lost, are there once, and cover the same steps.
    assert without_times(resumed.metrics()) == without_times(whole.metrics())
    assert [line["step"] for line in resumed.metrics()] == [3, 4, 4, 6, 8, 8]
    # A run that was killed before its results were written needs nothing but its files.
    before = resumed.metrics()
    train(killed_at(0), tmp_path / "parts", steps=8, checkpoint_every=3, log_every=4)
    assert resumed.metrics() == before


def test_what_a_run_logs(tmp_path):
    run = train(Classification, tmp_path, steps=5, checkpoint_every=5)
    training = [line for line in run.metrics() if "loss" in line]
    evaluations = [line for line in run.metrics() if "loss" not in line]
    assert all(
        {"step", "loss", "learning_rate", "examples_per_second", "training_error"} <= line.keys() for line in training
    )
    assert [line["step"] for line in evaluations] == [4, 5]
    assert all({"top1_error", "top5_error"} <= line.keys() for line in evaluations)
    events = list(run.tensorboard.rglob("events*"))
    tags = {
        value.tag
        for file in events
        for event in tf.compat.v1.train.summary_iterator(str(file))
        for value in event.summary.value
    }
    assert {"loss", "learning_rate", "training_error", "top1_error", "top5_error"} <= tags


def test_weight_decay_is_half_the_squared_kernels_and_nothing_else(tmp_path):
    losses = [
        train(Classification, tmp_path / str(decay), 1, 1, weight_decay=decay).metrics()[0]["loss"]
        for decay in (0, 0.1)
    ]
    config, dataset = digits(1)
    model = Classification(config, dataset).build_model()
    kernels = [
        layer.kernel.numpy() for layer in model.layers if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)
    ]
    expected = 0.1 / 2 * sum(np.sum(kernel**2) for kernel in kernels)
    np.testing.assert_allclose(losses[1] - losses[0], expected, rtol=1e-4)


def test_the_step_compiles_under_xla_to_the_same_loss(tmp_path):
    plain = train(Classification, tmp_path / "plain", steps=2, checkpoint_every=2)
    compiled = train(Classification, tmp_path / "compiled", steps=2, checkpoint_every=2, jit_compile=True)
    losses = [[line["loss"] for line in run.metrics() if "loss" in line] for run in (plain, compiled)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)


def test_a_loss_that_is_not_finite_ends_the_run(tmp_path):
    class Diverging(Classification):
        def losses(self, model, batch, training):
            losses, figures = super().losses(model, batch, training)
            return {"cross_entropy": losses["cross_entropy"] * float("nan")}, figures

    with pytest.raises(ArgumentError, match="the loss is nan at step 2: train with a lower .* another --model"):
        train(Diverging, tmp_path, steps=9, checkpoint_every=2, log_every=5)
    assert not (tmp_path / "checkpoints").exists()


def test_a_folder_belongs_to_one_run(tmp_path):
    config, _ = digits(5)
    run = Run(tmp_path / "run")
    run.begin(config)
    run.begin({**config, "versions": {}})
    assert json.loads((tmp_path / "run" / "config.json").read_text()) == json.loads(json.dumps(config))
    with pytest.raises(ArgumentError, match="holds a run with seed=5, not 6: repeat its flags"):
        run.begin({**config, "seed": 6})
    with pytest.raises(ArgumentError, match="holds a run with recipe.batch_size=8, not 9: repeat its flags"):
        run.begin({**config, "recipe": {**config["recipe"], "batch_size": 9}})
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("precious")
    with pytest.raises(ArgumentError, match="is not empty and holds no run: choose another folder"):
        Run(tmp_path / "other").begin(config)


def test_a_folder_stays_free_when_no_net_can_be_built(tmp_path):
    dataset = open_dataset("digits")
    run = Run(tmp_path / "run")
    config = configure("resnet18", "digits", dataset, "digits", image_size=16)
    with pytest.raises(ArgumentError, match="too small"):
        train_classification(run, config, dataset, log_every=1, checkpoint_every=1)
    assert not run.path.exists()


def test_damaged_files_are_named(tmp_path):
    run = train(Classification, tmp_path / "run", steps=2, checkpoint_every=2)
    index = next(run.checkpoints.glob("*.index"))
    index.write_bytes(index.read_bytes()[:10])
    config, dataset = digits(2)
    with pytest.raises(ArgumentError, match=f"the checkpoint {run.checkpoints}/ckpt-2 cannot be read"):
        loop.restore_model(Classification(config, dataset).build_model(), run)
    with pytest.raises(ArgumentError, match="has no checkpoint yet"):
        loop.restore_model(Classification(config, dataset).build_model(), Run(tmp_path / "empty"))
    (run.path / "config.json").write_text("{")
    with pytest.raises(ArgumentError, match="config.json is damaged"):
        run.config()


def test_top_errors():
    logits = np.array([[5, 4, 3, 2, 1, 0], [0, 1, 2, 3, 4, 5], [9, 0, 0, 0, 0, 0]], "float32")
    errors = top_errors(np.array([0, 4, 5]), logits)
    assert errors == {"top1_error": pytest.approx(2 / 3), "top5_error": pytest.approx(1 / 3)}
    # A net that has collapsed is not perfect.
    assert top_errors(np.arange(10), np.zeros((10, 10))) == {"top1_error": 0.9, "top5_error": 0.5}
    assert top_errors(np.arange(10), np.full((10, 10), np.nan))["top1_error"] == 0.9
    assert top_errors(np.array([2, 0]), np.eye(3)[[1, 0]])["top5_error"] == 0


def test_a_line_that_was_cut_off_is_left_out(tmp_path):
    run = Run(tmp_path)
    run.log(step=1, loss=2.0)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 2, "lo')
    assert run.metrics() == [{"step": 1, "loss": 2.0}]


def test_configuration_keeps_what_the_flags_say():
    config, dataset = digits(7, learning_rate=0.02)
    recipe = config["recipe"]
    assert (config["steps"], recipe["batch_size"], recipe["learning_rate"], recipe["epochs"]) == (7, 8, 0.02, None)
    assert config["preprocessing"]["size"] == 32 and config["labels"] == list("0123456789")
    assert dataclasses.asdict(Recipe(**recipe)) == recipe
