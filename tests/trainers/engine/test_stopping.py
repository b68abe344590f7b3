"""Runs that end before their last step, and runs that go on after it."""

import json
import time

import numpy as np
import pytest
from configurations import classification_config
from processes import saved_variables
from tasks import Dropout

from keras_resnets import ArgumentError
from trainers.data.registry import open_dataset
from trainers.engine.checkpoints import restore_model
from trainers.engine.run_folder import RunFolder
from trainers.engine.train import train
from trainers.runtime.interruption import Interrupted

pytestmark = pytest.mark.numerics
CONSTANT = {"schedule": "constant", "warmup_steps": 2}


class Worsening(Dropout):
    """A task whose second evaluation is its best one."""

    def predictions(self, model, batch):
        return {**super().predictions(model, batch), "label": batch["label"]}

    def metrics(self, predictions):
        self.evaluations = getattr(self, "evaluations", 0) + 1
        return {**super().metrics(predictions), "top1_error": 0.5 + abs(self.evaluations - 2) / 10}


def trained(path, steps, task_class=Dropout, settings=None, **changes):
    """Trains a run of tiny steps, with an evaluation and a checkpoint after every tenth one."""
    dataset = open_dataset("digits")
    small = {"batch_size": 400, "seed": 5, "arguments": {"filters": [2, 2, 2]}}
    config = classification_config("cifar_resnet8", "digits", dataset, "digits", steps=steps, **small, **changes)
    run = RunFolder(path)
    return run, train(task_class(config, dataset), run, **(settings or {}))


def same(run, other):
    expected, got = saved_variables(run.path), saved_variables(other.path)
    return expected.keys() == got.keys() and all(np.array_equal(expected[name], got[name]) for name in expected)


def test_a_finished_run_that_is_given_more_steps_equals_one_that_had_them_from_the_start(tmp_path, capsys):
    whole, expected = trained(tmp_path / "whole", steps=20, **CONSTANT)
    run, _ = trained(tmp_path / "parts", steps=10, **CONSTANT)
    capsys.readouterr()
    _, results = trained(tmp_path / "parts", steps=20, **CONSTANT)
    assert "the run of 10 steps becomes one of 20; its learning rate is constant" in capsys.readouterr().err
    assert same(whole, run) and run.results() == results
    assert {**results, "seconds": 0} == {**expected, "seconds": 0}
    assert (run.config()["steps"], run.config()["earlier_steps"]) == (20, [10])
    # It is now a run of 20 steps: as such it is complete, and no shorter one.
    assert trained(tmp_path / "parts", steps=20, **CONSTANT)[1] == results
    with pytest.raises(ArgumentError, match="holds a run with recipe.steps=20, not 10: repeat its flags"):
        trained(tmp_path / "parts", steps=10, **CONSTANT)


def test_a_finished_run_keeps_its_results_until_a_longer_one_has_a_checkpoint(tmp_path):
    class Unreadable(Dropout):
        def training_batches(self, first_step, context):
            return super().training_batches(first_step, context).take(0)

    run, results = trained(tmp_path, steps=10, **CONSTANT)
    with pytest.raises(ArgumentError, match="the data cannot be read"):
        trained(tmp_path, steps=30, task_class=Unreadable, **CONSTANT)
    assert run.results() == results
    with pytest.raises(Interrupted):
        trained(tmp_path, steps=30, settings={"deadline": time.monotonic()}, **CONSTANT)
    assert run.results() is None  # They are not those of the last checkpoint.


def test_a_finished_run_does_not_go_on_with_more_images(tmp_path):
    run, results = trained(tmp_path, steps=10, **CONSTANT)
    config = run.config()
    epochs = {**config, "recipe": {**config["recipe"], "steps": None, "epochs": 3.0}}
    (tmp_path / "config.json").write_text(json.dumps(epochs))
    run.check({**epochs, "steps": 12, "recipe": {**epochs["recipe"], "epochs": 4.0}})
    with pytest.raises(ArgumentError, match="holds a run with steps=10, not 12: the data set has changed: restore it"):
        run.check({**epochs, "steps": 12})


def test_a_longer_run_says_what_its_learning_rate_does(tmp_path, capsys):
    trained(tmp_path, steps=10)
    trained(tmp_path, steps=11)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("the run of")]
    rate = 0.1 * (1 + np.cos(np.pi * 5 / 6)) / 2  # of a cosine of 6 steps after a warm-up of 5
    assert line == (
        "the run of 10 steps becomes one of 11: from here on, the learning rate follows the schedule of 11 steps "
        f"(after step 10: {rate:.2g}, where the shorter schedule has 0)"
    )


def test_without_a_better_result_a_run_stops_and_its_result_is_the_best(tmp_path, capsys):
    run, results = trained(tmp_path, 100, Worsening, {"patience": 2}, **CONSTANT)
    assert (results["step"], results["last_step"], results["patience"]) == (20, 40, 2)
    assert results["top1_error"] == 0.5
    printed = capsys.readouterr().err
    assert "stopped at step 40: no better result in 2 evaluations (--patience)" in printed
    assert "the result is the best evaluation, of step 20" in printed
    # What is evaluated and exported is the best, although the last is there as well.
    task = Worsening(run.config())
    assert restore_model(task.build_model(), run) == 20
    best, last = saved_variables(run.path, "model", best=True), saved_variables(run.path, "model")
    assert any(not np.array_equal(best[name], last[name]) for name in best)
    # Again: nothing is left to train. With more patience, it goes on from its last step.
    assert trained(tmp_path, 100, Worsening, {"patience": 2}, **CONSTANT)[1] == results
    _, further = trained(tmp_path, 100, Worsening, {"patience": 3}, **CONSTANT)
    assert further["last_step"] > 40 and "going on from step 40" in capsys.readouterr().err


def test_after_its_hours_a_run_is_saved_and_goes_on_with_the_same_command(tmp_path):
    whole, _ = trained(tmp_path / "whole", steps=3)
    with pytest.raises(Interrupted, match="stopped when --max_hours were over at step 1, which is saved") as stop:
        trained(tmp_path / "parts", steps=3, settings={"deadline": time.monotonic()})
    assert stop.value.status == 124
    run, _ = trained(tmp_path / "parts", steps=3)
    assert same(whole, run)


def test_the_configuration_of_an_older_run_means_the_same(tmp_path):
    run, results = trained(tmp_path, steps=1)
    config = run.config()
    for name in ("class_weights", "sampling"):
        config.pop(name)
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert trained(tmp_path, steps=1)[1] == results
