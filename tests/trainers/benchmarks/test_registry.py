"""Benchmarks and their rows are found by name before anything is measured."""

import pytest

from keras_resnets.errors import ArgumentError
from trainers.benchmarks import input_pipeline, step_profile, training
from trainers.benchmarks.registry import BENCHMARKS, chosen_rows, find


@pytest.mark.parametrize("name", BENCHMARKS)
def test_each_benchmark_says_what_it_measures(name):
    assert find(name).__doc__


def test_rows_are_those_of_the_modules():
    assert BENCHMARKS["training"].rows == tuple(training.NETS)
    assert BENCHMARKS["input_pipeline"].rows == tuple(input_pipeline.ROWS)
    assert BENCHMARKS["step_profile"].rows == tuple(step_profile.NETS)


def test_rows_are_chosen_in_the_order_of_the_benchmark():
    assert chosen_rows(["import_time", "step_profile"], []) == {
        "import_time": (),
        "step_profile": ("resnet50", "cifar_resnet20"),
    }
    assert chosen_rows(["rematerialization", "depth"], ["56", "20"]) == {"depth": ("20", "56")}
    assert chosen_rows(["training", "step_profile"], ["resnet50"]) == {
        "training": ("resnet50",),
        "step_profile": ("resnet50",),
    }


@pytest.mark.parametrize(
    "what, only, message",
    [
        ("training", "resnet50,vgg", "--only=vgg is no row of --what=training: use one of resnet50_v1_5, resnet50."),
        ("serving", "resnet50", "--only=resnet50: --what=serving has no rows: leave --only out."),
        (
            "training,input_pipeline",
            "resnet50",
            "--only=resnet50 has no row of --what=input_pipeline: "
            "add one of imagenet, random_resized_crop, imagenet_modern.",
        ),
    ],
)
def test_rows_that_cannot_be_measured_are_refused(what, only, message):
    with pytest.raises(ArgumentError) as error:
        chosen_rows(what.split(","), only.split(","))
    assert str(error.value) == message


def test_a_wrong_row_is_answered_without_tensorflow(without_tensorflow):
    process = without_tensorflow("-m", "trainers.benchmark", "--what=training", "--only=vgg")
    assert process.returncode == 1 and process.stdout == ""
    assert process.stderr.startswith("error: --only=vgg is no row of --what=training")
