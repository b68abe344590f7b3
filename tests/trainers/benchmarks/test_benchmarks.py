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

    def run(name, *arguments):
        file = tmp_path / "figures.json"
        process = run_command("trainers.benchmark", f"--what={name}", "--repeats=1", f"--output={file}", *arguments)
        assert process.returncode == 0, process.stderr
        return json.loads(file.read_text())[name], process.stdout

    return run


def test_a_ratio_is_that_to_the_peer(measure):
    figures, printed = measure("build_resnet101")
    assert json.loads(printed.splitlines()[0])["processor"] == processor()
    assert figures["ratio"] == pytest.approx(figures["keras_resnets"] / figures["keras.applications"])


def test_training_is_measured_by_each_computation_in_a_new_process():
    rates = in_new_process(training_rates, "cifar_resnet8", 8, 32, 1)
    assert list(rates) == [*COMPUTATIONS, *(f"{name}_ratio" for name in COMPUTATIONS if name != "float32")]


@pytest.mark.parametrize(
    "name, only, ours",
    [
        ("training", "resnet50_v1_5", ["resnet50_v1_5 float32", "resnet50_v1_5 bfloat16"]),
        ("training_cifar", "cifar_resnet20", ["cifar_resnet20 float32", "cifar_resnet20 bfloat16"]),
        ("training_detection", "training_max", ["training_max float32", "training_max bfloat16"]),
        ("input_pipeline", "imagenet", ["imagenet"]),
    ],
)
def test_training_is_compared_with_pytorch_if_it_is_installed(name, only, ours, measure):
    figures, printed = measure(name, f"--only={only}")
    has_pytorch = importlib.util.find_spec("torchvision") is not None
    assert ("left out" in printed and "pass --peer_python=" in printed) != has_pytorch
    for work in ours:
        row = figures[f"{work} keras_resnets"]
        assert row["images_per_second"] > 0 and row["ours_times_as_fast"] == 1
        assert f"| {name} {work} keras_resnets | {row['images_per_second']:.3g} | " in printed
        assert ("share_of_ceiling" in row) == (name != "input_pipeline")
    if name == "training_cifar":
        assert figures["cifar_resnet20 float32 plain Keras step"]["parameters"] == row["parameters"]


def test_pytorch_trains_the_same_nets(measure):
    """A peer with another number of parameters would end the benchmark."""
    pytest.importorskip("torchvision")
    figures, _ = measure("training_cifar")
    for net in ("cifar_resnet20", "cifar_resnet110", "cifar_resnet_v2_164"):
        assert figures[f"{net} float32 PyTorch"]["parameters"] == figures[f"{net} float32 keras_resnets"]["parameters"]


def test_depth_is_measured_with_and_without_rematerialization(measure, tmp_path):
    figures, _ = measure("depth", "--only=20,56")
    assert figures["56 plain"]["bytes_per_image"] > 2 * figures["20 plain"]["bytes_per_image"]
    assert figures["56 remat"]["bytes_per_image"] < figures["56 plain"]["bytes_per_image"] / 2
    assert figures["all remat"]["bytes_per_image_exponent"] < figures["all plain"]["bytes_per_image_exponent"]
    assert (tmp_path / "depth.png").stat().st_size > 10_000


def test_old_names_of_benchmarks_warn(run_command):
    process = run_command("trainers.benchmark", "--what=rematerialization", "--only=20", "--repeats=1")
    assert process.returncode == 0 and "| depth 20 remat |" in process.stdout
    assert "warning: --what=rematerialization is now --what=depth" in process.stderr


def test_roi_pooling_is_compared_with_torchvision_if_it_is_installed(measure):
    figures, printed = measure("roi", "--only=max_7")
    has_torchvision = importlib.util.find_spec("torchvision") is not None
    assert ("left out" in printed) != has_torchvision
    peers = ["torchvision, contiguous", "torchvision, channels_last"] if has_torchvision else []
    for what, name in itertools.product(("forward", "gradient"), ["keras_resnets", "keras_resnets, XLA", *peers]):
        assert figures[f"max_7 {what} {name}"]["regions_per_second"] > 0
