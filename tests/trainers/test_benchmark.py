"""The benchmarks run; what they measure is for reading."""

import importlib.util
import itertools
import json

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, figure", [("import_time", "seconds"), ("build_resnet101", "ratio"), ("train_cifar_resnet20", "ratio")]
)
def test_a_benchmark_writes_its_figures(name, figure, tmp_path, run_command):
    arguments = [f"--what={name}", "--repeats=1", f"--output={tmp_path / 'figures.json'}"]
    process = run_command("trainers.benchmark", *arguments)
    assert process.returncode == 0, process.stderr
    assert process.stdout.startswith(f"{name}: ")
    assert json.loads((tmp_path / "figures.json").read_text())[name][figure] > 0


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
