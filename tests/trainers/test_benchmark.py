"""The benchmarks run; what they measure is for reading."""

import importlib.util
import itertools
import json
import os

import pytest

from trainers.benchmarks.classification import _training_rates
from trainers.runtime.measuring import processor


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, figure", [("import_time", "seconds"), ("build_resnet101", "ratio"), ("train_cifar_resnet20", "ratio")]
)
def test_a_benchmark_writes_its_figures(name, figure, tmp_path, run_command):
    arguments = [f"--what={name}", "--repeats=1", f"--output={tmp_path / 'figures.json'}"]
    process = run_command("trainers.benchmark", *arguments)
    assert process.returncode == 0, process.stderr
    assert process.stdout.startswith(f"{name}: processor {processor()}, ")
    assert json.loads((tmp_path / "figures.json").read_text())[name][figure] > 0


def test_the_processor_is_named_with_what_tensorflow_makes_of_it():
    from tensorflow.python.util import _pywrap_util_port

    assert processor().endswith("oneDNN on" if _pywrap_util_port.IsMklEnabled() else "oneDNN off")
    assert f"{len(os.sched_getaffinity(0))} cores" in processor()


@pytest.mark.slow
def test_a_training_step_is_measured_in_both_precisions_without_and_with_xla():
    figures = _training_rates("cifar_resnet8", 8, 32, 1)
    names = ["float32", "float32_xla", "bfloat16", "bfloat16_xla"]
    assert list(figures) == names + [f"{name}_ratio" for name in names[1:]]
    assert figures["bfloat16_xla_ratio"] == figures["bfloat16_xla"] / figures["float32"] > 0


@pytest.mark.slow
def test_the_benchmark_of_regions_measures_both_layers(tmp_path, run_command):
    arguments = ["--what=roi", "--repeats=1", f"--output={tmp_path / 'figures.json'}"]
    process = run_command("trainers.benchmark", *arguments)
    assert process.returncode == 0, process.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())["roi"]
    measured = {"keras_resnets", "tf_function", "xla"}
    if importlib.util.find_spec("torchvision") is None:
        assert "pip install" in process.stdout
    else:
        measured |= {"torchvision", "ratio"}
    for layer, size, what in itertools.product(("RoIPooling", "RoIAlign"), (14, 7), ("forward", "with_gradient")):
        name = f"{layer}_{size}_{what}"
        assert f"roi {name}: keras_resnets " in process.stdout
        assert set(figures[name]) == measured and min(figures[name].values()) > 0
