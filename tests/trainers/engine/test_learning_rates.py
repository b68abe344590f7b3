"""The learning rate range test."""

import pytest
from configurations import classification_config
from PIL import Image

from keras_resnets import ArgumentError
from trainers.data.registry import open_dataset
from trainers.engine.learning_rates import range_test
from trainers.engine.run_folder import RunFolder
from trainers.engine.train import settings_of
from trainers.tasks.classification import Classification


def test_a_learning_rate_is_suggested_and_no_run_begins(tmp_path, run_command):
    flags = ["--model=cifar_resnet8", "--filters=4,8,16", "--dataset=digits", f"--model_dir={tmp_path}", "--steps=10"]
    found = run_command("trainers.classification", *flags, "--find_learning_rate")
    assert found.returncode == 0, found.stderr
    suggestion, place = found.stdout.splitlines()
    rate, rest = suggestion.split(" ", 1)
    assert rate.startswith("--learning_rate=") and rest.startswith("is suggested, a tenth of that of the lowest loss (")
    assert 0.005 <= float(rate.partition("=")[2]) <= 0.5  # The recipe has 0.1.
    assert place == f"loss over the learning rate: {tmp_path}/range_test.png"
    assert [path.name for path in tmp_path.iterdir()] == ["range_test.png"]
    assert Image.open(tmp_path / "range_test.png").format == "PNG"
    RunFolder(tmp_path).check({"steps": 10})  # A run can begin there.


@pytest.mark.numerics
def test_a_first_loss_that_is_not_finite_is_named():
    class Diverging(Classification):
        def losses(self, model, batch, training):
            losses, figures = super().losses(model, batch, training)
            return {"cross_entropy": losses["cross_entropy"] * float("nan")}, figures

    dataset, small = open_dataset("digits"), {"batch_size": 8, "arguments": {"filters": [2, 2, 2]}}
    task = Diverging(classification_config("cifar_resnet8", "digits", dataset, "digits", steps=1, **small), dataset)
    with pytest.raises(ArgumentError, match="--find_learning_rate: the loss is nan at the first step"):
        range_test(task, settings_of(task, None))
