"""Reading files of torchvision and timm, and files that are something else."""

import json
import pickle

import numpy as np
import pytest
from safetensors.numpy import save_file
from torch_tensors import state_dict

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.weights import load_torch, load_weights

SMALL = {"input_shape": (64, 64, 3)}


@pytest.fixture(scope="module")
def resnet18_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "resnet18.safetensors"
    save_file(state_dict("torchvision_resnet18", classes=7), path)
    return path


def test_a_file_gives_what_its_tensors_give(resnet18_file):
    model = keras_resnets.ResNet18(weights=resnet18_file, classes=7, **SMALL)
    other = keras_resnets.ResNet18(classes=7, **SMALL)
    assert load_torch(other, state_dict("torchvision_resnet18", classes=7)) == []
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), other.get_weights(), strict=True))
    kernel = state_dict("torchvision_resnet18")["layer2.0.downsample.0.weight"]
    assert np.array_equal(model.get_layer("conv3_block1_0_conv").kernel[0, 0], kernel[:, :, 0, 0].T)


def test_a_net_without_classifier_or_with_another_one(resnet18_file):
    trunk = keras_resnets.ResNet18(include_top=False, weights=resnet18_file)
    whole = keras_resnets.ResNet18(classes=7, weights=resnet18_file, **SMALL)
    assert np.array_equal(trunk.get_layer("conv5_block2_2_conv").kernel, whole.get_layer("conv5_block2_2_conv").kernel)
    model = keras_resnets.ResNet18(classes=3, **SMALL)
    with pytest.raises(ArgumentError, match="The file has 7 classes: pass classes=7, or include_top=False"):
        load_weights(model, resnet18_file)
    assert load_weights(model, resnet18_file, new_classifier=True) == ["predictions"]
    assert np.array_equal(model.get_layer("conv1_conv").kernel, whole.get_layer("conv1_conv").kernel)


@pytest.mark.parametrize(
    "reference, build, message",
    [
        (
            "torchvision_resnet50",
            keras_resnets.ResNet50,
            "state_dict does not fit resnet50: left over: conv3_block1_2_pad, .* and 0 more|"
            "left over: conv3_block1_2_pad, conv4_block1_2_pad, conv5_block1_2_pad. "
            "The file holds weights of torchvision's ResNet: use ResNet50V1_5",
        ),
        ("torchvision_resnet50", keras_resnets.ResNet34, "torchvision's ResNet: use ResNet50V1_5"),
        ("torchvision_resnet18", keras_resnets.PlainNet18, "left over: conv3_block1_0_bn, .*: use ResNet18"),
        ("torchvision_resnet18", keras_resnets.ResNet18V2, "missing: .*torchvision's ResNet: use ResNet18"),
        ("timm_resnetv2_50", keras_resnets.ResNet101V2, "timm's ResNetV2: use ResNet50V2"),
        ("torchvision_googlenet", keras_resnets.BNInception, "torchvision's GoogLeNet: use GoogLeNet"),
        ("timm_inception_v4", keras_resnets.InceptionV3, "timm's Inception-v4: use InceptionV4"),
    ],
)
def test_weights_of_another_net_name_the_right_builder(reference, build, message):
    model = build(input_shape=(96, 96, 3))
    before = [weight[..., :1].copy() for weight in model.get_weights()]
    with pytest.raises(ArgumentError, match=message):
        load_torch(model, state_dict(reference))
    assert all(np.array_equal(a, b[..., :1]) for a, b in zip(before, model.get_weights(), strict=True))


def test_missing_left_over_and_misshapen_tensors_are_named():
    tensors = state_dict("torchvision_resnet18")
    tensors["layer5.0.conv1.weight"] = tensors.pop("layer4.0.conv1.weight")
    tensors["conv1.weight"] = tensors["conv1.weight"][:, :1]
    with pytest.raises(ArgumentError) as error:
        load_torch(keras_resnets.ResNet18(**SMALL), tensors)
    assert "missing: conv5_block1_1_conv" in str(error.value)
    assert "left over: conv6_block1_1_conv" in str(error.value)
    assert "wrong shape: conv1_conv is 7x7x1x64, not 7x7x3x64" in str(error.value)
    with pytest.raises(ArgumentError, match="state_dict has none of the names that are known here .*encoder.weight"):
        load_torch(keras_resnets.ResNet18(**SMALL), {"encoder.weight": np.zeros((3, 3))})


def test_auxiliary_heads_and_counters_are_left_out():
    tensors = {**state_dict("torchvision_googlenet"), "aux1.fc1.weight": np.zeros((1024, 2048))}
    assert load_torch(keras_resnets.GoogLeNet(**SMALL), tensors) == []


class Attack:
    """A pickle of it writes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_damaged_files_and_pickles_leave_the_model_and_the_disk_alone(tmp_path, resnet18_file):
    whole = resnet18_file.read_bytes()
    header = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 99]}}).encode()
    contents = {
        "truncated.safetensors": whole[: len(whole) // 2],
        "header.safetensors": len(header).to_bytes(8, "little") + header,
        "code.pth": pickle.dumps(Attack(tmp_path / "executed")),
        "code.h5": pickle.dumps(Attack(tmp_path / "executed")),
        "text.h5": b"not HDF5",
        "empty.safetensors": b"",
    }
    model = keras_resnets.ResNet18(classes=7, **SMALL)
    before = model.get_weights()
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ArgumentError, match=f"weights='{tmp_path / name}' "):
            load_weights(model, tmp_path / name)
    assert not (tmp_path / "executed").exists()
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_published_weights_without_a_network_say_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(ArgumentError, match='weights="imagenet" of plainnet18: .* publish none for this net; they do'):
        keras_resnets.PlainNet18(weights="imagenet")
    with pytest.raises(
        ArgumentError, match="resnet50_v1_5 cannot be downloaded .*timm/resnet50.tv_in1k.* pass its path"
    ):
        keras_resnets.ResNet50V1_5(weights="imagenet")
    with pytest.raises(ArgumentError, match="weights='imagenet' is neither None, nor"):
        keras_resnets.CifarResNet(8, weights="imagenet")


def test_preprocessing_of_published_weights(resnet18_file):
    images = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype("float32")
    expected = (images / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    for net, weights in [("resnet18", "imagenet"), ("resnet18", resnet18_file)]:
        np.testing.assert_allclose(keras_resnets.preprocess_input(images, net, weights), expected, atol=1e-5)
    caffe = images[..., ::-1] - np.array([103.939, 116.779, 123.68])
    np.testing.assert_allclose(keras_resnets.preprocess_input(images, "resnet50"), caffe, atol=1e-4)
    np.testing.assert_allclose(keras_resnets.preprocess_input(images, "inception_v4"), images / 127.5 - 1, atol=1e-5)
    with pytest.raises(ArgumentError, match="cifar_resnet20: keras.applications, torchvision and timm publish none"):
        keras_resnets.preprocess_input(images, "cifar_resnet20")
