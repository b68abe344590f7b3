"""The examples of CONTRIBUTING.md work as they stand there: each is added to a copy of both packages."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np

ROOT = pathlib.Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
SHORTCUT, SOURCE, EXPERIMENT = re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)

PROGRAM = """
import pathlib

import keras
import numpy as np

import keras_resnets
from trainers.data.registry import open_dataset
from trainers.experiments.registry import EXPERIMENTS, find

assert pathlib.Path(keras_resnets.__file__).is_relative_to(pathlib.Path.cwd())

net = keras_resnets.CifarResNet(8, shortcut="D", filters=(4, 8, 16))
layers = [layer.name for layer in net.layers if isinstance(layer, keras.layers.AveragePooling2D)]
assert layers == ["conv3_block1_0_pool", "conv4_block1_0_pool"], layers
assert net(np.zeros((1, 32, 32, 3))).shape == (1, 10)

dataset = open_dataset("npz:complete.npz")
assert (dataset.train.size, dataset.test.size, dataset.side, dataset.labels) == (4, 2, 8, ("0", "1", "2"))
try:
    open_dataset("npz:incomplete.npz")
except keras_resnets.ArgumentError as error:
    assert "lacks the array 'y_test'" in str(error), error
else:
    raise AssertionError("a file without an array was opened")

assert "single_layer_units" in EXPERIMENTS
experiment = find("single_layer_units")
assert list(experiment.members(None)) == ["two convolutions", "one convolution"]
keys = ("parameters", "recipe", "augmentation", "steps", "batch_size", "train_images", "test_images")
same = {**dict.fromkeys(keys, 1), "model": "", "arguments": {}, "changes": {}, "diverged": False}
errors = {"two convolutions": 0.08, "one convolution": 0.125}
figures = {name: {**same, "training_error": 0.0, "test_error": error} for name, error in errors.items()}
(verdict,) = experiment.report(figures).verdict
assert "12.50 % (two: 8.00 %): as expected" in verdict, verdict
"""


def add(file, before, text):
    """Writes a text into a file before a line."""
    content = file.read_text()
    assert content.count(before) == 1
    file.write_text(content.replace(before, text + before))


def test_the_examples_work(tmp_path):
    copy = tmp_path / "copy"
    for package in ("keras_resnets", "trainers"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    function, row = re.fullmatch(r"(.*?)SHORTCUTS = \{\n    \.\.\.\n(.*)\}\n", SHORTCUT, re.DOTALL).groups()
    residual = copy / "keras_resnets" / "models" / "residual.py"
    add(residual, "SHORTCUTS = {\n", function)
    add(residual, '    "dropout": dropout,\n', row)
    (copy / "trainers" / "data" / "sources" / "npz.py").write_text(SOURCE)
    row = re.search(r"Its row is `(.*)`\.", TEXT)[1]
    add(copy / "trainers" / "data" / "registry.py", '    Source("digits", ', f"    {row},\n")
    (copy / "trainers" / "experiments" / "papers" / "single_layer_units.py").write_text(EXPERIMENT)

    images, labels = np.zeros((6, 8, 8), np.uint8), np.array([0, 1, 2, 0, 1, 2])
    arrays = {"x_train": images[:4], "y_train": labels[:4], "x_test": images[4:]}
    np.savez(tmp_path / "complete.npz", **arrays, y_test=labels[4:])
    np.savez(tmp_path / "incomplete.npz", **arrays)
    command = [sys.executable, "-c", PROGRAM]
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    process = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr


def test_the_examples_have_the_stated_numbers_of_lines():
    function, row = SHORTCUT.split("SHORTCUTS = {\n    ...\n")
    lines = [len(function.splitlines()) + len(row.splitlines()) - 1]
    lines += [len(example.splitlines()) for example in (SOURCE, EXPERIMENT)]
    assert [int(count) for count in re.findall(r"Example: .*?(\d+) lines", TEXT)] == lines
