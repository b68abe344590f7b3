"""The nets by name."""

import pytest

import keras_resnets
from keras_resnets import ArgumentError


def test_names():
    names = keras_resnets.list_models()
    assert names == sorted(names)
    assert {"resnet101", "resnet50_v1_5", "cifar_resnet_v2_164", "inception_resnet_v2_slim", "zfnet"} < {*names}


@pytest.mark.parametrize("name", ["cifar_resnet14", "cifar_resnet_v2_8", "cifar_plainnet8"])
@pytest.mark.usefixtures("without_weights")
def test_nets_of_other_depths_than_the_papers(name):
    assert keras_resnets.create_model(name, include_top=False).name == name


@pytest.mark.usefixtures("without_weights")
def test_a_net_of_another_name():
    assert keras_resnets.create_model("cifar_resnet8", name="mine").name == "mine"


@pytest.mark.parametrize(
    "name, message",
    [
        ("resnet5", "model='resnet5' is unknown: use .*resnet50"),
        ("cifar_resnet", "model='cifar_resnet' is unknown"),
        ("cifar_resnet21", r"depth=21 must be 6n\+2 or 9n\+2"),
        ("", "model='' is unknown"),
        (None, "model=None is unknown"),
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
