"""--jit_compile: the choice that `auto` makes, and that it changes nothing else."""

import json
import re

import numpy as np
import pytest
import tensorflow as tf
from absl import flags
from configurations import classification_config
from processes import saved_variables
from tasks import Dropout

from keras_resnets import ArgumentError
from trainers.data.registry import open_dataset
from trainers.engine import loop
from trainers.engine.run_folder import RunFolder
from trainers.flags.training import define_training, settings_from_flags
from trainers.tasks.classification import Classification

TINY = {"block_counts": (1,), "filters": (8,)}  # XLA takes long for deep nets.
STEPS = 6


class Killed(Dropout):
    """A task that dies when it is asked for the batch of step 3."""

    def training_batches(self, first_step, context):
        return super().training_batches(first_step, context).take(3)


def train(path, jit_compile, task_class=Dropout, strategy=None):
    dataset = open_dataset("digits")
    changes = {"batch_size": 8, "ema_decay": 0.9, "precision": "mixed_float16", "seed": 5}
    config = classification_config("resnet", "digits", dataset, "digits", arguments=TINY, steps=STEPS, **changes)
    task, run = task_class(config, dataset), RunFolder(path)
    settings = {"precision": config["precision"], "jit_compile": jit_compile, "strategy": strategy}
    loop.run_loop(task, run, loop.Settings(task.recipe, STEPS, 1, STEPS, checkpoint_every=2, **settings))
    return run


def test_a_run_with_auto_equals_one_with_its_choice_also_when_it_is_resumed(tmp_path, capsys):
    with pytest.raises(ArgumentError, match="the data cannot be read"):
        train(tmp_path / "auto", "auto", Killed)
    chosen = (tmp_path / "auto" / "compilation.json").read_text()
    jit_compile, reason = json.loads(chosen).values()
    plain, compiled = map(float, re.fullmatch(r"([\d.e+]+) images/s without XLA, ([\d.e+]+) with", reason).groups())
    assert jit_compile == (compiled > plain)
    said = f"{reason}: {'compiled' if jit_compile else 'not compiled'}\n"
    assert f"--jit_compile=auto: {said}" in capsys.readouterr().err

    resumed, whole = train(tmp_path / "auto", "auto"), train(tmp_path / "whole", jit_compile)
    assert f"--jit_compile=auto: when the run began, {said}" in capsys.readouterr().err
    assert (resumed.path / "compilation.json").read_text() == chosen
    expected, got = saved_variables(whole.path), saved_variables(resumed.path)
    assert expected.keys() == got.keys()
    assert {"model", "average", "optimizer", "generators", "loss_scale"} <= {name.split("/")[0] for name in expected}
    for name, value in expected.items():
        np.testing.assert_array_equal(got[name], value, err_msg=name)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"jit_compile": true}', '{"jit_compile": 1, "reason": ""}'])
def test_a_choice_that_is_damaged_is_made_anew(content, tmp_path):
    run = RunFolder(tmp_path)
    run.write_compilation({"jit_compile": True, "reason": "faster"})
    assert run.compilation() == {"jit_compile": True, "reason": "faster"}
    (tmp_path / "compilation.json").write_text(content)
    assert run.compilation() is None


def test_what_xla_cannot_compile_is_not_compiled(tmp_path, capsys):
    class Uncompilable(Classification):
        def losses(self, model, batch, training):
            tf.numpy_function(lambda: None, [], [])
            return super().losses(model, batch, training)

    with pytest.raises(ArgumentError, match="XLA cannot compile .*'PyFunc'.*: leave out --jit_compile"):
        train(tmp_path / "run", True, Uncompilable)
    run = train(tmp_path / "run", "auto", Uncompilable)
    line = r"--jit_compile=auto: XLA cannot compile the step \(.*'PyFunc'.*\): not compiled\n"
    assert re.search(line, capsys.readouterr().err) and not run.compilation()["jit_compile"]


def test_replicas_that_meet_in_a_step_are_not_compiled(tmp_path, capsys):
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with pytest.raises(ArgumentError, match="--jit_compile works with --distribution=one_device only: leave it out"):
        train(tmp_path / "run", True, Classification, strategy)
    assert not (tmp_path / "run").exists()
    run = train(tmp_path / "run", "auto", Classification, strategy)
    assert "--jit_compile=auto: XLA is for --distribution=one_device only: not compiled\n" in capsys.readouterr().err
    assert run.compilation() is None


@pytest.mark.parametrize(
    "arguments, value",
    [
        ([], False),
        (["--jit_compile"], True),
        (["--nojit_compile"], False),
        (["--jit_compile=true"], True),
        (["--jit_compile=False"], False),
        (["--jit_compile=auto"], "auto"),
    ],
)
def test_the_flag_is_a_boolean_one_with_a_third_value(training_flags, arguments, value):
    flags.FLAGS(["program", *arguments])
    assert settings_from_flags()["jit_compile"] == value


def test_another_value_of_the_flag_is_refused(training_flags):
    with pytest.raises(flags.IllegalFlagValueError, match="--jit_compile=fast: use auto, true or false"):
        flags.FLAGS(["program", "--jit_compile=fast"])


@pytest.fixture
def training_flags():
    """Defines the flags of training, which the process has not otherwise."""
    others = set(flags.FLAGS)
    define_training()
    yield
    for name in set(flags.FLAGS) - others:
        delattr(flags.FLAGS, name)
    flags.FLAGS.unparse_flags()
