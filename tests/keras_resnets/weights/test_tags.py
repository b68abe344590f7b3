"""Published weights by tag, and what the config.json beside a file says."""

import functools
import json

import h5py
import keras
import numpy as np
import pytest
from hub_cache import repository, use_cache
from safetensors.numpy import save_file
from torch_tensors import state_dict

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.preprocessing import Preprocessing
from keras_resnets.weights import load_weights
from keras_resnets.weights.published import evaluation_of, normalization_of

SMALL = {"input_shape": (64, 64, 3)}
OURS = Preprocessing(224, 256, (120, 120, 120), (60, 60, 60))
HALF = [0.5, 0.5, 0.5]
# As timm 1.0.31 writes it, for resnet18.a1_in1k.
TIMM = {
    "architecture": "resnet18",
    "num_classes": 1000,
    "num_features": 512,
    "global_pool": "avg",
    "pretrained_cfg": {
        "tag": "a1_in1k",
        "input_size": [3, 224, 224],
        "test_input_size": [3, 288, 288],
        "fixed_input_size": False,
        "interpolation": "bicubic",
        "crop_pct": 0.95,
        "test_crop_pct": 1.0,
        "crop_mode": "center",
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
        "num_classes": 1000,
        "pool_size": [7, 7],
        "first_conv": "conv1",
        "classifier": "fc",
        "license": "apache-2.0",
    },
}
TRANSFORMERS = {
    "architectures": ["ResNetForImageClassification"],
    "model_type": "resnet",
    "depths": [2, 2, 2, 2],
    "layer_type": "basic",
    "hidden_act": "relu",
    "downsample_in_first_stage": False,
}


@pytest.fixture(scope="module")
def resnet18_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    save_file(state_dict("torchvision_resnet18"), path)
    return path


@pytest.fixture
def folder(tmp_path, resnet18_file):
    """A folder with a file of weights, and a function that writes a config.json beside it and returns the file."""
    (tmp_path / "model.safetensors").symlink_to(resnet18_file)

    def write(config, name="config.json"):
        (tmp_path / name).write_text(config if isinstance(config, str) else json.dumps(config))
        return tmp_path / "model.safetensors"

    return write


@pytest.fixture
def hub(tmp_path, monkeypatch, resnet18_file):
    """Puts the weights and the configuration of timm/resnet18.a1_in1k into an empty cache of the Hub."""
    use_cache(monkeypatch, tmp_path)
    snapshot = repository(tmp_path, "timm/resnet18.a1_in1k")
    (snapshot / "model.safetensors").symlink_to(resnet18_file)
    (snapshot / "config.json").write_text(json.dumps(TIMM))
    return snapshot


@functools.cache
def resnet18():
    """Returns a net that no test changes."""
    return keras_resnets.ResNet18(**SMALL)


def assert_unchanged_by(error, path):
    """Checks that a file is refused in one line that matches, and that the model keeps its weights."""
    model = resnet18()
    before = model.get_weights()
    with pytest.raises(ArgumentError, match=error) as refusal:
        load_weights(model, path)
    assert "\n" not in str(refusal.value)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_the_table_of_published_files():
    rows = keras_resnets.list_weights()
    assert len({(row.net, row.weights) for row in rows}) == len(rows)
    assert {row.net for row in rows} <= {*keras_resnets.list_models()}
    for net in {row.net for row in rows}:
        first, *_ = keras_resnets.list_weights(net)
        assert OURS.for_weights(net, "imagenet") == OURS.for_weights(net, first.weights)
    row = next(row for row in rows if row.weights == "torchvision:IMAGENET1K_V2" and row.net == "resnet50_v1_5")
    assert (row.size, row.pillow_filter, row.classes, row.top1) == (224, "bilinear", 1000, 80.858)
    assert OURS.for_weights(row.net, row.weights).short_side == 232
    assert keras_resnets.list_weights("cifar_resnet20") == []
    with pytest.raises(ArgumentError, match="model='resnet5' is unknown"):
        keras_resnets.list_weights("resnet5")


@pytest.mark.parametrize("weights", ["timm:resnet18.a1_in1k", "hf://timm/resnet18.a1_in1k"])
def test_a_tag_gives_the_weights_and_the_preprocessing(weights, hub):
    model = keras_resnets.create_model("resnet18", weights=weights, **SMALL)
    trunk = keras_resnets.ResNet18(include_top=False, weights=weights)
    expected = state_dict("torchvision_resnet18")
    np.testing.assert_array_equal(model.get_layer("predictions").bias, expected["fc.bias"])
    np.testing.assert_array_equal(trunk.get_layer("conv1_bn").gamma, expected["bn1.weight"])
    measured = OURS.for_weights("resnet18", weights)
    assert (measured.size, measured.short_side, measured.pillow_filter) == (224, 224, "bicubic")
    np.testing.assert_allclose(measured.mean, [123.675, 116.28, 103.53])
    detector = keras_resnets.FasterRCNN(2, backbone="resnet18", weights=weights)
    assert any(np.array_equal(value, expected["layer3.0.bn2.weight"]) for value in detector.get_weights())


def test_other_classes_are_said_before_the_weights_are_downloaded(hub):
    (hub / "config.json").write_text(json.dumps(TIMM | {"num_classes": 7}))
    (hub / "model.safetensors").unlink()
    with pytest.raises(ArgumentError, match="has 7 classes, not 1000: pass classes=7, or include_top=False"):
        keras_resnets.ResNet18(weights="hf://timm/resnet18.a1_in1k")
    with pytest.raises(ArgumentError, match="has 1000 classes, not 7: pass classes=1000, or include_top=False"):
        keras_resnets.ResNet18(weights="timm:resnet18.a2_in1k", classes=7)
    with pytest.raises(ArgumentError, match='"timm:resnet50.bamboo" has no classifier: pass include_top=False'):
        keras_resnets.ResNet50V1_5(weights="timm:resnet50.bamboo")


def test_unknown_tags_name_those_that_there_are(hub):
    for build, weights, message in [
        (keras_resnets.ResNet18, "timm:resnet18.a9_in1k", "is unknown: use .*timm:resnet18.a1_in1k, .*list_weights"),
        (keras_resnets.ResNet50, "timm:resnet50.a1_in1k", "of resnet50 is unknown; it is of resnet50_v1_5"),
        (keras_resnets.CifarResNet, "timm:resnet50.a1_in1k", "'timm:resnet50.a1_in1k' is not an existing file"),
        (keras_resnets.InceptionV3, "torchvision:IMAGENET1K_V1", "of inception_v3 is unknown; it is of googlenet, "),
    ]:
        arguments = [8] if build is keras_resnets.CifarResNet else []
        with pytest.raises(ArgumentError, match=message):
            build(*arguments, weights=weights)


@pytest.mark.parametrize(
    "config, net",
    [
        (TIMM | {"architecture": "resnetaa50"}, "timm's 'resnetaa50'"),
        (TIMM | {"architecture": "resnetblur18"}, "timm's 'resnetblur18'"),
        (TIMM | {"architecture": "resnet50_gn"}, "timm's 'resnet50_gn'"),
        (TIMM | {"model_args": {"num_classes": 7, "act_layer": "silu"}}, "timm's 'resnet18', act_layer='silu'"),
        (TIMM | {"model_args": {"global_pool": "max"}}, "timm's 'resnet18', global_pool='max'"),
        (TRANSFORMERS | {"hidden_act": "gelu"}, "transformers' net of hidden_act='gelu'"),
        (TRANSFORMERS | {"downsample_in_first_stage": True}, "transformers' net of downsample_in_first_stage=True"),
        (TRANSFORMERS | {"model_type": "regnet"}, "transformers' net of model_type='regnet'"),
        ({"registered_name": "keras_hub>ResNetBackbone", "config": {}}, "KerasHub's 'ResNetBackbone'"),
    ],
)
def test_a_net_of_another_function_is_refused_by_its_config(config, net, folder):
    assert_unchanged_by(f"is {net} by the config.json beside it, which no net of this package is", folder(config))


def test_a_config_beside_a_file_is_used_for_the_preprocessing(folder):
    own = TIMM["pretrained_cfg"]
    stated = own | {"mean": HALF, "std": HALF, "test_crop_pct": 0.9, "test_input_size": [3, 160, 160]}
    without_test = own | {"test_crop_pct": None, "test_input_size": None}
    for config, expected in [
        (TIMM, (224, "bicubic", 123.675)),
        (TIMM | {"pretrained_cfg": without_test, "model_args": {"zero_init_last": False}}, (235, "bicubic", 123.675)),
        ({"architecture": "resnet18", "pretrained_cfg": None, "model_args": None}, (256, "bicubic", 123.675)),
        (TIMM | {"architecture": "gluon_resnet18_v1b", "pretrained_cfg": stated}, (248, "bicubic", 127.5)),
        ({"architecture": "resnet18", **stated, "interpolation": "bilinear"}, (248, "bilinear", 127.5)),
        (TRANSFORMERS, (256, "bilinear", 123.675)),  # which has it in another file
    ]:
        path = folder(config)
        measured = OURS.for_weights("resnet18", path)
        assert (measured.short_side, measured.pillow_filter, round(measured.mean[0], 3)) == expected
        keras_resnets.ResNet18(weights=path, **SMALL)
    images = {"image_mean": HALF, "image_std": HALF, "resample": 3, "crop_pct": 0.95, "size": {"shortest_edge": 224}}
    measured = OURS.for_weights("resnet18", folder(images, "preprocessor_config.json"))
    assert (measured.short_side, measured.pillow_filter, measured.mean[0]) == (235, "bicubic", 127.5)


@pytest.mark.parametrize(
    "config, reason",
    [
        ('{"architecture": "resnet18"', "is not readable JSON"),
        ("[" * 100_000, "is not readable JSON"),
        (TIMM | {"architecture": ["resnet18"]}, "cannot be understood"),
        (TIMM | {"pretrained_cfg": [1]}, "cannot be understood"),
        (TIMM | {"pretrained_cfg": {"crop_pct": 0}}, "cannot be understood .crop=0 must be a number from 0.01 to 1"),
        (TIMM | {"pretrained_cfg": {"crop_mode": "squash"}}, "cannot be understood .crop_mode='squash' must be 'cen"),
        (TIMM | {"pretrained_cfg": {"interpolation": "random"}}, "interpolation='random' is unknown"),
        (TIMM | {"pretrained_cfg": {"input_size": [3, 224, 160]}}, "must be square"),
        (TIMM | {"pretrained_cfg": {"mean": [0.5]}}, "cannot be understood"),
        (TIMM | {"pretrained_cfg": {"std": [0.5, 0, 0.5]}}, "std's positive"),
    ],
)
def test_a_config_that_cannot_be_understood_is_said(config, reason, folder):
    assert_unchanged_by(f"the config.json beside it .*{reason}", folder(config))


def test_the_size_of_a_config_is_that_for_tests(folder):
    assert evaluation_of("resnet18", folder(TIMM)).size == 288
    assert evaluation_of("resnet18", folder(TIMM | {"pretrained_cfg": {"input_size": [3, 160, 160]}})).size == 160


def test_a_config_of_another_model_can_be_moved_away(folder):
    assert_unchanged_by(
        "transformers' net of model_type='bert' .* If the config.json belongs to another model, move it away",
        folder({"model_type": "bert"}),
    )


def test_a_config_of_something_else_is_left_alone(folder):
    for config in ({"task": "classification", "model": "resnet18"}, [1, 2], "7"):
        keras_resnets.ResNet18(weights=folder(config), **SMALL)


def test_a_detectors_file_is_no_classifiers(tmp_path):
    tensors = {f"backbone.body.{name}": value for name, value in state_dict("torchvision_resnet18").items()}
    tensors |= {
        "rpn.head.conv.0.0.weight": np.zeros((256, 256, 3, 3), "float32"),
        "roi_heads.box_predictor.cls_score.bias": np.zeros(91, "float32"),
    }
    save_file(tensors, tmp_path / "model.safetensors")
    assert_unchanged_by(
        "is the file of a detector whose names are not known. Those of torchvision's faster_rcnn_resnet50_fpn, .* are: "
        "keras_resnets.create_detector takes them",
        tmp_path / "model.safetensors",
    )


def test_keras_files_of_other_libraries_are_named(tmp_path):
    image = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(4, 1, name="stack0_block0_1_conv")(keras.layers.Conv2D(4, 7, name="conv1_conv")(image))
    keras.Model(image, x).save_weights(tmp_path / "model.weights.h5")
    assert_unchanged_by("holds weights of KerasHub's ResNet, which is not read", tmp_path / "model.weights.h5")
    with h5py.File(tmp_path / "tf_model.h5", "w") as file:  # as transformers 4.57 wrote it
        names = [
            f"tf_res_net_for_image_classification/resnet/embedder/embedder/{name}:0"
            for name in ("convolution/kernel", "normalization/gamma", "normalization/beta")
        ]
        file.attrs["layer_names"] = ["resnet"]
        group = file.create_group("resnet")
        group.attrs["weight_names"] = names
        for name in names:
            group[name] = np.zeros(3, "float32")
    assert_unchanged_by(
        "holds weights of transformers' ResNet for TensorFlow, which is not read", tmp_path / "tf_model.h5"
    )


def test_inception_v3_of_pytorch_pools_otherwise(tmp_path):
    save_file({"Mixed_5b.branch1x1.conv.weight": np.zeros((64, 192, 1, 1), "float32")}, tmp_path / "a.safetensors")
    with pytest.raises(ArgumentError, match="torchvision's or timm's Inception-v3, whose average pooling counts"):
        keras_resnets.InceptionV3(weights=tmp_path / "a.safetensors", input_shape=(75, 75, 3))


def test_what_a_bare_file_cannot_tell(resnet18_file):
    assert normalization_of("resnet18", resnet18_file) == keras_resnets.list_weights("resnet18")[0].normalization
