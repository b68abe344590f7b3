"""The benchmarks run, and name what they measure; their figures are for reading."""

import importlib.util
import itertools
import json

import pytest

from trainers.benchmarks.classification import training_rates
from trainers.runtime.measuring import COMPUTATIONS, in_new_process, processor

pytestmark = pytest.mark.slow


@pytest.fixture
def measure(tmp_path, run_command):
    """Runs a benchmark once; returns its figures and what it prints."""

    def run(name):
        file = tmp_path / "figures.json"
        process = run_command("trainers.benchmark", f"--what={name}", "--repeats=1", f"--output={file}")
        assert process.returncode == 0, process.stderr
        return json.loads(file.read_text())[name], process.stdout

    return run


@pytest.mark.parametrize(
    "name, here, peer",
    [("build_resnet101", "keras_resnets", "keras.applications"), ("train_cifar_resnet20", "loop", "plain Keras")],
)
def test_a_ratio_is_that_to_the_peer(name, here, peer, measure):
    figures, printed = measure(name)
    assert printed.startswith(f"{name}: processor {processor()}, {here} ")
    assert figures["ratio"] == pytest.approx(figures[here] / figures[peer])


def test_training_is_measured_by_each_computation_in_a_new_process():
    rates = in_new_process(training_rates, "cifar_resnet8", 8, 32, 1)
    assert list(rates) == [*COMPUTATIONS, *(f"{name}_ratio" for name in COMPUTATIONS if name != "float32")]


def test_both_layers_are_compared_with_torchvision_if_it_is_installed(measure):
    figures, printed = measure("roi")
    has_torchvision = importlib.util.find_spec("torchvision") is not None
    assert ("pip install" in printed) != has_torchvision
    for layer, size, what in itertools.product(("RoIPooling", "RoIAlign"), (14, 7), ("forward", "with_gradient")):
        seconds = figures[f"{layer}_{size}_{what}"]
        assert f"roi {layer}_{size}_{what}: keras_resnets {seconds['keras_resnets']:.3g}, " in printed
        assert seconds["keras_resnets"] == min(seconds["tf_function"], seconds["xla"])
        if has_torchvision:
            assert seconds["ratio"] == pytest.approx(seconds["torchvision"] / seconds["keras_resnets"])
