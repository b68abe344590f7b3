"""The training loop, with the classification task on real digits."""

import dataclasses
import functools
import json
import os
import pathlib
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from configurations import classification_config
from processes import saved_variables
from tasks import Dropout

import keras_resnets
from keras_resnets import ArgumentError
from trainers.data.registry import open_dataset
from trainers.engine import loop
from trainers.engine import train as engine_train
from trainers.engine.checkpoints import restore_model, trained_model
from trainers.engine.predictor import predictor
from trainers.engine.run_folder import RunFolder, begun_as
from trainers.recipes.recipe import Recipe
from trainers.runtime.failures import explained
from trainers.tasks.classification import Classification

pytestmark = pytest.mark.numerics
ROOT = pathlib.Path(__file__).parents[3]
SAVED = pathlib.Path(__file__).parent / "saved"


def killed_at(step):
    """A task that dies when it is asked for the batch of that step."""

    class Task(Dropout):
        def training_batches(self, first_step, context):
            return super().training_batches(first_step, context).take(max(0, step - first_step))

    return Task


def digits(steps, **changes):
    dataset = open_dataset("digits")
    changes = {"batch_size": 8, "seed": 5, "arguments": {"filters": [4, 8, 16]}, **changes}
    config = classification_config("cifar_resnet8", "digits", dataset, "digits", steps=steps, **changes)
    return config, dataset


def train(task_class, path, steps, checkpoint_every, log_every=1, settings=None, **changes):
    config, dataset = digits(steps, **changes)
    task = task_class(config, dataset)
    run = RunFolder(path)
    loop.run_loop(
        task,
        run,
        loop.Settings(
            recipe=task.recipe,
            steps=steps,
            log_every=log_every,
            evaluate_every=4,
            checkpoint_every=checkpoint_every,
            precision=config["precision"],
            **(settings or {}),
        ),
    )
    return run


def without_times(lines):
    return [
        {key: line[key] for key in line if key not in ("seconds", "examples_per_second", "input_wait")}
        for line in lines
    ]


def whole_and_resumed(path, killed, **options):
    """Two runs of 8 steps that end with the same state, one of which was killed."""
    whole = train(Dropout, path / "whole", steps=8, **options)
    with pytest.raises(ArgumentError, match="the data cannot be read .*End of sequence"):
        train(killed_at(killed), path / "parts", steps=8, **options)
    resumed = train(Dropout, path / "parts", steps=8, **options)
    expected, got = saved_variables(whole.path), saved_variables(resumed.path)
    assert expected.keys() == got.keys() and any("generators" in name for name in expected)
    assert all(np.array_equal(expected[name], got[name]) for name in expected)
    return whole, resumed


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path):
    whole, resumed = whole_and_resumed(tmp_path, killed=5, checkpoint_every=3, log_every=4)
    # The lines after step 3, whose figures were lost, are there once, and cover the same steps.
    assert without_times(resumed.metrics()) == without_times(whole.metrics())
    assert [line["step"] for line in resumed.metrics()] == [3, 4, 4, 6, 8, 8]
    # A run that was killed before its results were written needs nothing but its files.
    before = resumed.metrics()
    train(killed_at(0), tmp_path / "parts", steps=8, checkpoint_every=3, log_every=4)
    assert resumed.metrics() == before


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="a process cannot choose its cores here")
def test_on_one_core_the_step_is_not_counted_as_a_wait_for_data(tmp_path):
    program = (
        "import os, sys; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); "
        "from trainers import classification; classification.run()"
    )
    flags = [
        f"--model_dir={tmp_path}/run",
        "--model=cifar_resnet8",
        "--dataset=digits",
        "--steps=10",
        "--log_every=5",
    ]
    subprocess.run([sys.executable, "-c", program, *flags], check=True, capture_output=True, cwd=ROOT)
    waits = [line["input_wait"] for line in RunFolder(tmp_path / "run").metrics() if "input_wait" in line]
    assert waits[-1] < 0.5


def test_what_a_run_logs(tmp_path):
    run = train(Classification, tmp_path, steps=5, checkpoint_every=5)
    training = [line for line in run.metrics() if "loss" in line]
    evaluations = [line for line in run.metrics() if "loss" not in line]
    assert all(
        {"step", "loss", "learning_rate", "examples_per_second", "input_wait", "training_error"} <= line.keys()
        for line in training
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


def test_weight_decay_is_half_the_squared_kernels_or_weights_and_nothing_else(tmp_path):
    none, of_kernels, of_all = (
        train(Classification, tmp_path / f"{decay}{w}", 1, 1, weight_decay=w, decay=decay).metrics()[0]["loss"]
        for decay, w in (("kernels", 0), ("kernels", 0.1), ("all", 0.1))
    )
    config, dataset = digits(1)
    model = Classification(config, dataset).build_model()
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)]
    others = [v for v in model.trainable_variables if all(v is not layer.kernel for layer in layers)]
    assert {v.name for v in others} == {"gamma", "beta", "bias"}
    kernels, others = (
        0.1 / 2 * sum(np.sum(v.numpy() ** 2) for v in some) for some in ([layer.kernel for layer in layers], others)
    )
    np.testing.assert_allclose([of_kernels - none, of_all - none], [kernels, kernels + others], rtol=1e-4)


def test_the_step_compiles_under_xla_to_the_same_loss(tmp_path):
    plain = train(Classification, tmp_path / "plain", steps=2, checkpoint_every=2)
    compiled = train(Classification, tmp_path / "compiled", steps=2, checkpoint_every=2, settings={"jit_compile": True})
    losses = [[line["loss"] for line in run.metrics() if "loss" in line] for run in (plain, compiled)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)


def test_a_loss_that_is_not_finite_ends_the_run(tmp_path):
    class Diverging(Classification):
        def losses(self, model, batch, training):
            losses, figures = super().losses(model, batch, training)
            return {"cross_entropy": losses["cross_entropy"] * float("nan")}, figures

    with pytest.raises(
        ArgumentError, match="the loss is nan at step 1: train in another --model_dir with a lower --learning_rate, or"
    ):
        train(Diverging, tmp_path, steps=9, checkpoint_every=2, log_every=5)
    assert not (tmp_path / "checkpoints").exists()


def test_a_folder_belongs_to_one_run(tmp_path):
    config, _ = digits(5)
    run = RunFolder(tmp_path / "run")
    run.begin(config)
    run.begin({**config, "versions": {}})
    assert json.loads((tmp_path / "run" / "config.json").read_text()) == json.loads(json.dumps(config))
    with pytest.raises(ArgumentError, match="holds a run with seed=5, not 6: repeat its flags"):
        run.begin({**config, "seed": 6})
    with pytest.raises(ArgumentError, match="holds a run with recipe.batch_size=8, not 9: repeat its flags"):
        run.begin({**config, "recipe": {**config["recipe"], "batch_size": 9}})
    run.begin({**config, "newer": False})  # what no choice could be when it began
    with pytest.raises(ArgumentError, match="holds a run with newer=None, not True: repeat its flags"):
        run.begin({**config, "newer": True})
    # Runs of releases that recorded no split go on, but not with one that these did not know.
    older = RunFolder(tmp_path / "older")
    older.begin({key: value for key, value in config.items() if key != "measured"})
    older.begin({**config, "measured": "val"})
    older.begin({**config, "measured": "test"})
    with pytest.raises(ArgumentError, match="holds a run with measured=None, not valid"):
        older.begin({**config, "measured": "valid"})
    # The other way round, it is a choice that the run has made.
    frozen = RunFolder(tmp_path / "frozen")
    frozen.begin({**config, "stage_learning_rates": {"conv2": 0.0}})
    with pytest.raises(ArgumentError, match="holds a run with stage_learning_rates.conv2=0.0, not None"):
        frozen.begin(config)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("precious")
    with pytest.raises(ArgumentError, match="is not empty and holds no run: choose another folder"):
        RunFolder(tmp_path / "other").begin(config)


def test_a_folder_stays_free_when_no_net_can_be_built(tmp_path):
    dataset = open_dataset("digits")
    run = RunFolder(tmp_path / "run")
    config = classification_config("resnet18", "digits", dataset, "digits", image_size=16)
    with pytest.raises(ArgumentError, match="too small"):
        engine_train.train(Classification(config, dataset), run, log_every=1, checkpoint_every=1)
    assert not run.path.exists()


def test_damaged_files_are_named(tmp_path):
    run = train(Classification, tmp_path / "run", steps=2, checkpoint_every=2)
    index = next(run.checkpoints.glob("*.index"))
    index.write_bytes(index.read_bytes()[:10])
    config, dataset = digits(2)
    with pytest.raises(
        ArgumentError, match=f"the checkpoint {run.checkpoints}/ckpt-2 cannot be read .*: restore the files"
    ):
        restore_model(Classification(config, dataset).build_model(), run)
    with pytest.raises(ArgumentError, match="has no checkpoint yet"):
        restore_model(Classification(config, dataset).build_model(), RunFolder(tmp_path / "empty"))
    for damaged in (b"{", b"[1]", b"\xff", b"{}\n{", b""):
        for name, read in (("config.json", run.config), ("results.json", run.results), ("metrics.jsonl", run.metrics)):
            (run.path / name).write_bytes(damaged + b"\n")
            with pytest.raises(ArgumentError, match=f"{name} is damaged"):
                read()


def ranks(labels, logits):
    class Constant(Classification):
        def _logits(self, model, images, training):
            return tf.constant(logits, tf.float32)

    config, dataset = digits(1)
    task = Constant(config, dataset)
    predictions = task.predictions(None, {"label": tf.constant(labels, tf.int32), "image": None})
    return task.metrics({name: values.numpy() for name, values in predictions.items()})


def test_top_errors():
    logits = np.array([[5, 4, 3, 2, 1, 0], [0, 1, 2, 3, 4, 5], [9, 0, 0, 0, 0, 0]], "float32")
    assert ranks([0, 4, 5], logits) == {"top1_error": pytest.approx(2 / 3), "top5_error": pytest.approx(1 / 3)}
    # A net that has collapsed is not perfect.
    assert ranks(np.arange(10), np.zeros((10, 10))) == {"top1_error": 0.9, "top5_error": 0.5}
    assert ranks(np.arange(10), np.full((10, 10), np.nan))["top1_error"] == 0.9
    assert ranks([2, 0], np.eye(3)[[1, 0]])["top5_error"] == 0


def test_label_smoothing_and_mixing_are_in_the_loss():
    labels, others, share = tf.constant([1, 2]), tf.constant([0, 3]), tf.constant([0.25, 0.25])
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    config, dataset = digits(1, label_smoothing=0.1)
    task = Classification(config, dataset)
    model = task.build_model()
    batch = {"image": images, "label": labels, "other_label": others, "share": share}
    losses, _ = task.losses(model, batch, training=False)
    probabilities = tf.nn.softmax(model(task.preprocessing.normalize(images)))
    targets = 0.9 * (0.25 * tf.one_hot(labels, 10) + 0.75 * tf.one_hot(others, 10)) + 0.1 / 10
    expected = -np.sum(targets * np.log(probabilities), axis=1).mean()
    np.testing.assert_allclose(losses["cross_entropy"], expected, rtol=1e-4)


@pytest.mark.slow
def test_calls_of_several_steps_make_the_same_run(tmp_path):
    single = train(Classification, tmp_path / "single", steps=7, checkpoint_every=7)
    several = train(Classification, tmp_path / "several", 7, 7, log_every=3, settings={"steps_per_call": 3})
    assert [line["step"] for line in several.metrics() if "loss" in line] == [3, 6, 7]
    expected, got = saved_variables(single.path), saved_variables(several.path)
    del expected["best/.ATTRIBUTES/VARIABLE_VALUE"]  # They are evaluated after other steps.
    assert all(np.array_equal(expected[name], got[name]) for name in expected)


@pytest.mark.slow
def test_the_moving_average_is_evaluated_exported_and_resumed(tmp_path):
    whole, _ = whole_and_resumed(tmp_path, killed=6, checkpoint_every=4, ema_decay=0.9, optimizer="rmsprop")
    config, dataset = digits(8, ema_decay=0.9, optimizer="rmsprop")
    task = Dropout(config, dataset)
    model = task.build_model()
    assert restore_model(model, whole) == 8
    metrics = task.metrics(predictor(task, model, tf.distribute.get_strategy())())
    assert metrics["top1_error"] == whole.metrics()[-1]["top1_error"]


@pytest.mark.parametrize(
    "damage", ["missing", *(pytest.param(damage, marks=pytest.mark.slow) for damage in ("empty", "of another kind"))]
)
def test_checkpoints_are_found_without_tensorflows_list_of_them(damage, tmp_path):
    run = train(Dropout, tmp_path, steps=8, checkpoint_every=4)
    listed, before = run.checkpoints / "checkpoint", run.metrics()
    listed.unlink() if damage == "missing" else listed.write_text("" if damage == "empty" else "nonsense")
    train(killed_at(0), tmp_path, steps=8, checkpoint_every=4)  # Nothing is left to train.
    assert run.metrics() == before
    config, dataset = digits(8)
    assert restore_model(Dropout(config, dataset).build_model(), run) == 8


def test_a_corrupt_newest_checkpoint_falls_back_to_the_one_before(tmp_path, capsys):
    run = train(Dropout, tmp_path, steps=8, checkpoint_every=4)
    whole = saved_variables(run.path)
    newest = next(run.checkpoints.glob("ckpt-8.data*"))
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 0xFF
    newest.write_bytes(content)
    train(Dropout, tmp_path, steps=8, checkpoint_every=4)
    stderr = capsys.readouterr().err
    assert "ckpt-8 cannot be read" in stderr and f"going on from {run.checkpoints}/ckpt-4" in stderr
    for name, value in saved_variables(run.path).items():
        np.testing.assert_array_equal(whole[name], value, err_msg=name)


def test_data_that_cannot_be_read_end_the_run_in_one_line(tmp_path):
    class Damaged(Classification):
        def training_batches(self, first_step, context):
            def decode(batch):
                image = tf.io.decode_png(b"no PNG", channels=3)
                return {**batch, "image": tf.ensure_shape(tf.broadcast_to(image, [8, 32, 32, 3]), [8, 32, 32, 3])}

            return super().training_batches(first_step, context).map(decode)

    with pytest.raises(ArgumentError, match="the data cannot be read .*: restore them, and give the same command"):
        train(Damaged, tmp_path, steps=1, checkpoint_every=1)


def test_data_that_need_too_much_memory_are_not_called_damaged():
    def large(_):
        return tf.raw_ops.ScaleAndTranslate(
            images=tf.zeros((1, 1, 1, 3)), size=[10**6, 10**6], scale=[1e6, 1e6], translation=[0.0, 0.0]
        )

    with pytest.raises(ArgumentError, match="out of memory .*: use smaller images"), explained(several_machines=False):
        next(iter(tf.data.Dataset.range(1).map(large)))


@pytest.mark.slow
def test_an_evaluation_that_was_killed_is_made_again(tmp_path):
    class Killed(Dropout):
        def metrics(self, predictions):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(Killed, tmp_path / "run", steps=8, checkpoint_every=4)
    run, whole = (train(Dropout, tmp_path / name, steps=8, checkpoint_every=4) for name in ("run", "whole"))
    assert without_times(run.metrics()) == without_times(whole.metrics())
    for part in ("", "best"):
        expected, got = (saved_variables(folder.path, part="model", best=bool(part)) for folder in (whole, run))
        assert all(np.array_equal(expected[name], got[name]) for name in expected)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"learning_rate": float("nan")}, "--learning_rate=nan must be a finite number"),
        ({"ema_decay": 1.0}, "--ema_decay=1.0 must be less than 1"),
        ({"accumulation": 1438, "batch_size": 1438}, "--accumulation=1438 needs as many training images, not 1437"),
        ({"init_weights": "missing.h5"}, "--init_weights: weights='missing.h5' is not an existing file"),
    ],
)
def test_configurations_that_cannot_work(changes, message):
    with pytest.raises(ArgumentError, match=message):
        digits(4, **changes)


def test_a_batch_of_more_images_than_there_are_becomes_one_that_fits(capsys):
    config, _ = digits(4, batch_size=1440, accumulation=3)
    assert config["recipe"]["batch_size"] == 3 * 256
    said = "--batch_size=768 is taken, as 1440 is more than the 1437 training images\n"
    assert capsys.readouterr().err.endswith(said)


def test_weights_of_another_net_leave_no_trace(tmp_path):
    keras_resnets.CifarResNet(14).save_weights(tmp_path / "deeper.weights.h5")
    with pytest.raises(ArgumentError, match="--init_weights: .*14-layer residual net"):
        train(Classification, tmp_path / "run", 1, 1, init_weights=str(tmp_path / "deeper.weights.h5"))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_run_that_leaves_out_every_step_ends(tmp_path):
    class Diverged(Classification):
        def losses(self, model, batch, training):
            losses, figures = super().losses(model, batch, training)
            return {"cross_entropy": losses["cross_entropy"] * float("nan")}, figures

    with pytest.raises(ArgumentError, match="the last 100 steps until 100 were skipped"):
        train(Diverged, tmp_path, 400, 400, log_every=50, settings={"on_nan": "skip_step"})


def test_recipes_are_changed_and_switched_off():
    recipe = digits(4, ema_decay=0.0, clip_norm=0.0)[0]["recipe"]
    assert recipe["ema_decay"] is None and recipe["clip_norm"] is None and recipe["batch_size"] == 8


def test_the_average_follows_the_weights_and_the_statistics(tmp_path):
    run = train(Classification, tmp_path, steps=2, checkpoint_every=1, ema_decay=0.3)
    config, dataset = digits(2, ema_decay=0.3)
    task = Classification(config, dataset)
    initial, values = task.build_model(), {}
    for step in (1, 2):
        model, average = task.build_model(), task.build_model()
        path = str(run.checkpoints / f"ckpt-{step}")
        tf.train.Checkpoint(model=model, average=average).restore(path).expect_partial()
        values[step] = [(v.numpy(), w.numpy()) for v, w in zip(model.variables, average.variables)]
    for start, (first, average), (second, next_average) in zip(initial.variables, values[1], values[2], strict=True):
        # The decay after n steps is min(0.3, (1 + n) / (10 + n)).
        np.testing.assert_allclose(average, start + (1 - 2 / 11) * (first - start), atol=1e-5)
        np.testing.assert_allclose(next_average, average + (1 - 3 / 12) * (second - average), atol=1e-5)


def test_the_best_checkpoint_is_kept(tmp_path):
    class Worsening(Classification):
        errors = iter([0.5, 0.3, 0.4])

        def metrics(self, predictions):
            return {"top1_error": next(self.errors)}

    run = train(Worsening, tmp_path, steps=12, checkpoint_every=12)
    config, dataset = digits(12)
    model = Classification(config, dataset).build_model()
    assert restore_model(model, run) == 12 and restore_model(model, run, best=True) == 8


def test_a_step_whose_loss_is_not_finite_can_be_left_out(tmp_path):
    class Poisoned(Classification):
        def losses(self, model, batch, training):
            losses, figures = super().losses(model, batch, training)
            poisoned = tf.reduce_any(batch["poison"])
            return {"cross_entropy": losses["cross_entropy"] * tf.where(poisoned, float("nan"), 1.0)}, figures

        def training_batches(self, first_step, context):
            def mark(i, batch):
                return {**batch, "poison": tf.fill([8], i + first_step >= 2)}

            return super().training_batches(first_step, context).enumerate().map(mark)

    run = train(Poisoned, tmp_path / "run", steps=4, checkpoint_every=2, settings={"on_nan": "skip_step"})
    lines = [line for line in run.metrics() if "loss" in line]
    assert [line["skipped"] for line in lines] == [0, 0, 1, 1] and lines[2]["loss"] is None
    json.loads((tmp_path / "run" / "metrics.jsonl").read_text().split("\n")[2], parse_constant=pytest.fail)
    reader = [tf.train.load_checkpoint(str(run.checkpoints / f"ckpt-{step}")) for step in (2, 4)]
    names = [name for name in reader[0].get_variable_to_shape_map() if name.startswith(("model", "optimizer"))]
    for name in names:
        if name.endswith("VARIABLE_VALUE"):
            np.testing.assert_array_equal(reader[0].get_tensor(name), reader[1].get_tensor(name), err_msg=name)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", pytest.param("mixed_float16", marks=pytest.mark.slow)])
def test_mixed_precision_starts_with_the_loss_of_float32(precision, tmp_path):
    plain, mixed = (train(Classification, tmp_path / name, 2, 2, precision=name) for name in ("float32", precision))
    losses = [[line["loss"] for line in run.metrics() if "loss" in line] for run in (plain, mixed)]
    np.testing.assert_allclose(losses[1][0], losses[0][0], rtol=1e-2)
    assert all(value.dtype != np.float16 for value in saved_variables(mixed.path).values())


def test_images_go_to_the_device_as_bytes():
    config, dataset = digits(1)
    image = Classification(config, dataset).training_batches(0, tf.distribute.InputContext()).element_spec["image"]
    assert image.dtype == tf.uint8 and image.shape == (8, 32, 32, 3)


def test_batches_that_do_not_split_leave_no_trace(tmp_path):
    with pytest.raises(ArgumentError, match="--batch_size=8 cannot be shared by 1 replicas in 3 parts"):
        train(Classification, tmp_path / "run", 1, 1, accumulation=3)
    assert not (tmp_path / "run").exists()


def test_a_line_that_was_cut_off_is_left_out(tmp_path):
    run = RunFolder(tmp_path)
    run.log(step=1, loss=2.0)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 2, "lo')
    assert run.metrics() == [{"step": 1, "loss": 2.0}]


def test_a_run_of_an_older_version_goes_on_as_it_began(tmp_path):
    dataset, older = open_dataset("digits"), digits(4, decay="all", bias_learning_rate=2.0)[0]
    for name in ("decay", "bias_learning_rate"):
        del older["recipe"][name]
    RunFolder(tmp_path).begin(older)
    begun = begun_as("classification", tmp_path)
    same = {"arguments": older["arguments"], "seed": older["seed"]}
    config = classification_config("cifar_resnet8", "digits", dataset, older["recipe_name"], begun=begun, **same)
    task = Classification(config, dataset)
    engine_train.train(task, RunFolder(tmp_path), log_every=4)
    assert (task.recipe.decay, task.recipe.bias_learning_rate) == ("kernels", 1.0)
    assert RunFolder(tmp_path).config() == begun
    with pytest.raises(ArgumentError, match="holds a run with recipe.learning_rate=0.1, not 0.2: repeat its flags"):
        engine_train.train(Classification(digits(4, learning_rate=0.2)[0], dataset), RunFolder(tmp_path))


def test_checkpoints_from_before_nets_took_pixels_first_are_restored(tmp_path, capfd):
    shutil.copytree(SAVED / "run", tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    task = Classification(run.config(), open_dataset("digits"))
    results = engine_train.train(task, run)
    assert results["step"] == 4 and "cannot be read" not in capfd.readouterr().err
    images = np.random.default_rng(0).normal(size=(3, 32, 32, 3)).astype("float32")
    np.testing.assert_allclose(trained_model(task, run)(images), np.load(SAVED / "logits.npy"), rtol=1e-4, atol=1e-5)


def test_a_run_goes_on_whose_recipe_has_another_row_by_now(tmp_path):
    dataset = open_dataset("digits")
    begun = classification_config("inception_v3", "digits", dataset, "inception", image_size=75, batch_size=8)
    begun["recipe"]["augmentation"] = "random_resized_crop"
    RunFolder(tmp_path).begin(begun)
    again = functools.partial(classification_config, "inception_v3", "digits", dataset, "inception", image_size=75)
    RunFolder(tmp_path).check(again(begun=begun_as("classification", tmp_path)))
    with pytest.raises(ArgumentError, match="holds a run with recipe.batch_size=8, not 9"):
        RunFolder(tmp_path).check(again(begun=begun_as("classification", tmp_path), batch_size=9))
    assert begun_as("detection", tmp_path) is None and begun_as("classification", tmp_path / "new") is None


def test_configuration_keeps_what_the_flags_say():
    config, dataset = digits(7, learning_rate=0.02)
    recipe = config["recipe"]
    assert (config["steps"], recipe["batch_size"], recipe["learning_rate"], recipe["epochs"]) == (7, 8, 0.02, None)
    assert config["preprocessing"]["size"] == 32 and config["labels"] == list("0123456789")
    assert dataclasses.asdict(Recipe(**recipe)) == recipe


def test_a_run_of_a_release_that_recorded_fewer_settings_goes_on(tmp_path):
    config, _ = digits(4)
    older = {**config, "recipe": {name: value for name, value in config["recipe"].items() if name != "decay"}}
    older.pop("training")
    run = RunFolder(tmp_path)
    run.begin(older)
    run.check(config)
    with pytest.raises(ArgumentError, match="holds a run with training.on_nan=stop, not skip_step: repeat its flags"):
        run.check({**config, "training": {**config["training"], "on_nan": "skip_step"}})
