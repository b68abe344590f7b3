"""The benchmarks run; what they measure is for reading."""

import json

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, figure", [("import_time", "seconds"), ("build_resnet101", "ratio"), ("train_cifar_resnet20", "ratio")]
)
def test_a_benchmark_writes_its_figures(name, figure, tmp_path, in_new_process):
    arguments = [f"--benchmark={name}", "--repeats=1", f"--output={tmp_path / 'figures.json'}"]
    process = in_new_process(module="trainers.benchmark", arguments=arguments)
    assert process.returncode == 0, process.stderr
    assert process.stdout.startswith(f"{name}: ")
    assert json.loads((tmp_path / "figures.json").read_text())[name][figure] > 0
