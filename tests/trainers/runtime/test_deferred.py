"""Commands check their flags before they load TensorFlow: a TensorFlow that cannot be imported shows it."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[3]
COMMANDS = sorted(path.stem for path in (ROOT / "trainers").glob("*.py") if not path.stem.startswith("_"))
FAILURE = "TensorFlow has been imported"


@pytest.fixture
def without_tensorflow(tmp_path):
    """Runs Python with a TensorFlow that cannot be imported; returns the finished process."""
    (tmp_path / "tensorflow.py").write_text(f"raise ImportError({FAILURE!r})")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}

    def run(*arguments):
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    return run


@pytest.mark.parametrize("command", COMMANDS)
def test_help_needs_no_tensorflow(command, without_tensorflow):
    process = without_tensorflow("-m", f"trainers.{command}", "--help")
    summary = (ROOT / "trainers" / f"{command}.py").read_text().partition('"""')[2].splitlines()[0]
    assert process.returncode == 0 and process.stderr == ""
    assert process.stdout.startswith(f"{summary}\n") and "\nflags:\n" in process.stdout


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["reproduce", "--experiment=depth", "--output=x"], "value should be one of <activation_orders|"),
        (["benchmark", "--what=everything"], "value should be one of <import_time|build_resnet101|"),
        (["evaluate", "--model_dir=x", "--protocol=two_crop"], "value should be one of <single_crop|ten_crop|"),
        (["detection", "--step=1"], "error: Unknown command line flag 'step'. Did you mean: steps"),
        (["evaluate"], "error: --model_dir is required: pass --model_dir=... (--help explains the flags)\n"),
    ],
)
def test_wrong_flags_need_no_tensorflow(arguments, message, without_tensorflow):
    process = without_tensorflow("-m", "trainers", *arguments)
    assert process.returncode == 1 and process.stdout == "" and message in process.stderr


def test_a_console_script_shows_its_commands_docstring(tmp_path, without_tensorflow):
    script = tmp_path / "keras-resnets-evaluate"
    script.write_text("import sys\nfrom trainers.evaluate import run\nsys.exit(run())")
    process = without_tensorflow(script, "--help")
    assert process.returncode == 0 and process.stderr == ""
    assert process.stdout.startswith("Measures a trained net on the test images, every one once.\n")


def test_right_flags_load_it(without_tensorflow):
    process = without_tensorflow("-m", "trainers.evaluate", "--model_dir=x")
    assert process.returncode == 1 and process.stderr.endswith(f"ImportError: {FAILURE}\n")


def test_a_program_that_imports_trainers_has_all_of_keras_resnets(without_tensorflow):
    process = without_tensorflow("-c", "import trainers, keras_resnets")
    assert process.returncode == 1 and process.stderr.endswith(f"ImportError: {FAILURE}\n")


LOAD = """
import sys

sys.argv = ["-m"]
sys.orig_argv = [sys.executable, "-m", "trainers.evaluate"]
import trainers
import keras_resnets
from keras_resnets.detection.options import FasterRCNNOptions
from keras_resnets.errors import ArgumentError
from trainers.runtime import deferred

assert not hasattr(keras_resnets, "ResNet50") and "tensorflow" not in sys.modules
deferred.execute()
assert not deferred.is_deferring()
assert keras_resnets.ArgumentError is ArgumentError and keras_resnets.detection.FasterRCNNOptions is FasterRCNNOptions
assert keras_resnets.serving.SavedModelSession and keras_resnets.FasterRCNN.OPTIONS is FasterRCNNOptions
import keras

keras.models.load_model("tests/keras_resnets/models/saved/resnet_a.keras")  # has layers of the package
"""


def test_what_was_deferred_is_whole_afterwards(in_new_process):
    process = in_new_process(LOAD)
    assert process.returncode == 0, process.stderr
