"""The nets by name."""

import pytest

import keras_resnets
from keras_resnets import ArgumentError

NAMES = """cifar_plainnet110 cifar_plainnet20 cifar_plainnet32 cifar_plainnet44 cifar_plainnet56 cifar_resnet110
cifar_resnet1202 cifar_resnet20 cifar_resnet32 cifar_resnet44 cifar_resnet56 plainnet18 plainnet34 resnet101
resnet101_v1_5 resnet152 resnet152_v1_5 resnet18 resnet34 resnet50 resnet50_v1_5""".split()


def test_names():
    assert keras_resnets.list_models() == NAMES


@pytest.mark.parametrize("name", [name for name in NAMES if name != "cifar_resnet1202"] + ["cifar_resnet14"])
def test_a_model_is_called_as_it_was_asked_for(name):
    arguments = {"input_shape": (32, 32, 3), "include_top": False}
    assert keras_resnets.create_model(name, **arguments).name == name


@pytest.mark.parametrize(
    "name, message",
    [
        ("resnet5", "model 'resnet5' is unknown: use .*resnet50"),
        ("cifar_resnet", "model 'cifar_resnet' is unknown"),
        ("cifar_resnet21", r"depth=21 must be 6n\+2 or 9n\+2"),
        ("", "model '' is unknown"),
        (None, "model None is unknown"),
    ],
)
def test_names_that_do_not_exist(name, message):
    with pytest.raises(ArgumentError, match=message):
        keras_resnets.create_model(name)


def test_import_adds_no_other_libraries(in_new_process):
    process = in_new_process(
        "import keras, sys; before = set(sys.modules); import keras_resnets\n"
        "print(sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    assert process.stdout.split("\n")[-2] == "['keras_resnets']", process.stderr
