"""`keras_resnets` needs Keras, TensorFlow, NumPy and h5py, and no other package: the rest is for `trainers`."""

import ast
import importlib.metadata
import pathlib
import subprocess
import sys

from packaging.requirements import Requirement

PACKAGE = pathlib.Path(__file__).parents[1] / "keras_resnets"
NEEDED = {"keras", "tensorflow", "numpy", "h5py"}

PROGRAM = """
import importlib.util, sys
site, folder = sys.argv[1:]
sys.path.append(site)

import numpy as np
import keras_resnets
from keras_resnets.detection.resizing import Resizing
from keras_resnets.preprocessing import Preprocessing
from keras_resnets.serving import SavedModelSession, export_classifier, export_detector

assert importlib.util.find_spec("absl") and not importlib.util.find_spec("matplotlib")
assert not importlib.util.find_spec("trainers")

net = keras_resnets.CifarResNet(8, filters=(4, 8, 16))
net.save_weights(f"{folder}/net.weights.h5")
loaded = keras_resnets.CifarResNet(8, filters=(4, 8, 16), weights=f"{folder}/net.weights.h5")
preprocessing = Preprocessing(32, 32, mean=(128, 128, 128), std=(64, 64, 64))
path = export_classifier(loaded, preprocessing, [str(i) for i in range(10)], f"{folder}/net")
images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
found = SavedModelSession(path)("serving_default", images=images)
np.testing.assert_allclose(found["probabilities"], net(preprocessing(images)), atol=1e-5)

backbone = keras_resnets.ResNet((1, 1, 1, 1), (8, 8, 16, 16), include_top=False)
limits = {"max_detections": 6, "score_threshold": 0.1, "nms_threshold": 0.9}
detector = keras_resnets.FasterRCNN(2, backbone, anchor_sizes=(16, 32), rpn_filters=8, test_post_nms_topk=4, **limits)
path = export_detector(detector, Resizing(64, 64, (64, 64)), ["a", "b"], f"{folder}/detector")
session = SavedModelSession(path)
assert session.description == limits
assert session("serving_default", images=images)["boxes"].shape == (2, 6, 4)
"""


def requirements(names):
    """Returns the installed distributions of these names and of all that they require, without extras."""
    found, left = {}, set(names)
    while left:
        name = left.pop()
        found[name] = importlib.metadata.distribution(name)
        required = map(Requirement, found[name].requires or ())
        left |= {r.name for r in required if r.marker is None or r.marker.evaluate({"extra": ""})} - found.keys()
    return found.values()


def imports(node):
    """Yields the modules that are imported in a tree of syntax, but not those of its functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield child.module if child.level == 0 else PACKAGE.name
        elif not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from imports(child)


def test_builds_loads_and_exports_where_no_other_package_is(tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    (site / "keras_resnets").symlink_to(PACKAGE)
    for distribution in requirements(NEEDED):
        for top in {file.parts[0] for file in distribution.files} - {"..", "__pycache__"}:
            if not (site / top).exists():  # "google" is in several.
                (site / top).symlink_to(distribution.locate_file(top))
    # -I and -S: without the folder of this Python's packages.
    command = [sys.executable, "-I", "-S", "-c", PROGRAM, str(site), str(tmp_path)]
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr


def test_imports_no_other_package_outside_of_functions():
    allowed = sys.stdlib_module_names | NEEDED | {"keras_resnets"}
    for path in PACKAGE.rglob("*.py"):
        others = {name for name in imports(ast.parse(path.read_bytes())) if name.split(".")[0] not in allowed}
        assert not others, f"{path} imports {others}"
