"""Reading files of torchvision and timm, and files that are something else."""

import inspect
import json
import pickle
import zipfile

import keras
import ml_dtypes  # noqa: F401, gives NumPy bfloat16
import numpy as np
import pytest
from safetensors.numpy import save_file
from torch_tensors import shapes, state_dict, tensor

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.weights import load_torch, load_weights
from keras_resnets.weights.published_files import FILES
from keras_resnets.weights.torch_files import refusal

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
            "state_dict does not fit resnet50. The file holds weights of torchvision's ResNet: use ResNet50V1_5. "
            "Layers left over: conv3_block1_2_pad, conv4_block1_2_pad, conv5_block1_2_pad.$",
        ),
        pytest.param(
            "torchvision_resnet50",
            keras_resnets.ResNet34,
            "torchvision's ResNet: use ResNet50V1_5",
            marks=pytest.mark.slow,
        ),
        ("torchvision_resnet18", keras_resnets.PlainNet18, ": use ResNet18. Layers left over: conv3_block1_0_bn, "),
        pytest.param(
            "torchvision_resnet18",
            keras_resnets.ResNet18V2,
            "torchvision's ResNet: use ResNet18. Layers missing: ",
            marks=pytest.mark.slow,
        ),
        ("timm_resnetv2_50", keras_resnets.ResNet101V2, "timm's ResNetV2: use ResNet50V2"),
        ("torchvision_googlenet", keras_resnets.BNInception, "torchvision's GoogLeNet: use GoogLeNet"),
        pytest.param(
            "timm_inception_v4",
            keras_resnets.InceptionV3,
            "timm's Inception-v4: use InceptionV4",
            marks=pytest.mark.slow,
        ),
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
    assert "of another shape: conv1_conv is 7x7x1x64, not 7x7x3x64" in str(error.value)
    with pytest.raises(ArgumentError, match="state_dict has unknown tensor names: encoder.weight"):
        load_torch(keras_resnets.ResNet18(**SMALL), {"encoder.weight": np.zeros((3, 3))})


@pytest.mark.parametrize("name", ["conv1.weight_g", "layer1.0.se_gain.alpha", "epoch", "layer2.0.aa.filt"])
def test_tensors_that_no_layer_takes_are_named(name):
    tensors = {**state_dict("torchvision_resnet18"), name: np.zeros(3, "float32")}
    with pytest.raises(
        ArgumentError, match=f"The file holds .* or its net is not in this package. Layers left over: {name}.$"
    ):
        load_torch(keras_resnets.ResNet18(**SMALL), tensors)


@pytest.mark.parametrize(
    "name",
    ["layer2.0.bn1.running_mean", "layer2.0.bn1.running_var", "bn1.weight", "bn1.bias", "fc.bias", "conv1.weight"],
)
def test_no_tensor_of_a_layer_may_be_missing(name):
    tensors = state_dict("torchvision_resnet18")
    del tensors[name]
    with pytest.raises(
        ArgumentError, match="Either the builder's arguments are not the file's.* Layers (of another shape|missing): "
    ):
        load_torch(keras_resnets.ResNet18(**SMALL), tensors)


def test_what_is_no_state_dict():
    with pytest.raises(ArgumentError, match="state_dict is a str: pass a dict of arrays, or a file to load_"):
        load_torch(keras_resnets.CifarResNet(8), "resnet18.safetensors")


@pytest.mark.parametrize("value", [np.array(["x"] * 1000), np.array([None] * 1000)], ids=["text", "objects"])
def test_values_that_are_no_numbers_leave_the_model_unchanged(value):
    model = keras_resnets.ResNet18(**SMALL)
    before = model.get_weights()
    with pytest.raises(ArgumentError, match="predictions does not hold numbers"):
        load_torch(model, {**state_dict("torchvision_resnet18"), "fc.bias": value})
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_weights_that_are_not_finite_are_refused():
    tensors = state_dict("torchvision_resnet18")
    tensors["fc.weight"][3, 5] = np.nan
    with pytest.raises(ArgumentError, match="predictions holds values that are not finite"):
        load_torch(keras_resnets.ResNet18(**SMALL), tensors)
    # So are the dense layers of torchvision's IMAGENET1K_FEATURES.
    assert load_torch(keras_resnets.ResNet18(include_top=False), tensors) == []


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"input_shape": (64, 64, 1)}, "The file is for images of 3 channels: pass an input_shape with as many"),
        ({"input_shape": (64, 64, 1), "classes": 5}, "The file is for images of 3 channels"),
        ({"input_shape": (64, 64, 3), "classes": 5}, "The file has 1000 classes: pass classes=1000, or include_top"),
    ],
)
def test_remedies_for_other_shapes(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        load_torch(keras_resnets.ResNet18(**arguments), state_dict("torchvision_resnet18"))


def vgg16_state_dict():
    """The tensors of a VGG-16 of seven classes."""
    features = {n: tensor(n, shape) for n, shape in shapes("torchvision_vgg16").items() if n.startswith("features")}
    return features | {
        "classifier.0.weight": np.zeros((4096, 512 * 49), "float32"),
        "classifier.0.bias": np.zeros(4096, "float32"),
        "classifier.3.weight": np.zeros((4096, 4096), "float32"),
        "classifier.3.bias": np.zeros(4096, "float32"),
        "classifier.6.weight": np.zeros((7, 4096), "float32"),
        "classifier.6.bias": np.zeros(7, "float32"),
    }


def test_vgg_without_its_dense_layers(tmp_path):
    tensors = vgg16_state_dict()
    features = {name: value for name, value in tensors.items() if name.startswith("features")}
    for content in (tensors, features):
        model = keras_resnets.VGG16(include_top=False)
        assert load_torch(model, content) == []
        kernel = tensors["features.28.weight"].transpose(2, 3, 1, 0)
        np.testing.assert_array_equal(model.get_layer("conv5_3_conv").kernel, kernel)
    small = keras_resnets.VGG16(classes=7, input_shape=(32, 32, 3))
    with pytest.raises(ArgumentError, match="Its first dense layer is for images of another size: pass the file's inp"):
        load_torch(small, tensors)
    small.save_weights(tmp_path / "own.weights.h5")
    trunk = keras_resnets.VGG16(include_top=False, weights=tmp_path / "own.weights.h5")
    np.testing.assert_array_equal(trunk.get_layer("conv5_3_conv").kernel, small.get_layer("conv5_3_conv").kernel)


def renamed(names, tensors):
    """Returns tensors with the names that `names` makes of theirs."""
    return {names(name): value for name, value in tensors.items()}


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.", "model.", "_orig_mod.module.", "module.encoder_q."])
def test_a_prefix_of_all_names_is_taken_off_and_said(prefix, capsys):
    tensors = renamed(lambda name: prefix + name, state_dict("torchvision_resnet18", classes=7))
    model = keras_resnets.ResNet18(classes=7, **SMALL)
    assert load_torch(model, {**tensors, "n_averaged": np.array(3)}) == []
    assert np.array_equal(model.get_layer("predictions").bias, tensors[f"{prefix}fc.bias"])
    assert f"state_dict: the prefix '{prefix}' of all names is taken off" in capsys.readouterr().err


def test_a_net_among_other_tensors_is_named():
    tensors = renamed(lambda name: f"encoder_q.{name}", state_dict("torchvision_resnet18"))
    with pytest.raises(ArgumentError, match="holds a known net under the names encoder_q.., among others: save its"):
        load_torch(keras_resnets.ResNet18(**SMALL), {**tensors, "queue": np.zeros((2, 2))})


def test_checkpoints_hold_the_net_in_an_entry(capsys):
    tensors = state_dict("torchvision_resnet18", classes=7)
    averaged = {**tensors, "fc.bias": tensors["fc.bias"] + 1}
    optimizer = {"state": {0: {"exp_avg": np.zeros(3)}}, "param_groups": [{"lr": 0.1}]}
    model = keras_resnets.ResNet18(classes=7, **SMALL)
    for content, expected in (
        ({**tensors, "epoch": 3, "arch": "resnet18"}, tensors),
        ({"state_dict": tensors, "best": np.array(0.7)}, tensors),
        ({"model": tensors, "optimizer": optimizer, "epoch": 3}, tensors),
        ({"net": tensors, "optimizer": optimizer}, tensors),
        ({"model": {"state_dict": tensors}}, tensors),
        ({"model": tensors, "model_ema": averaged}, averaged),
        ({**tensors, "model_ema": averaged}, averaged),
        ({"student": averaged, "teacher": tensors}, averaged),
        ({"nets": {"student": averaged, "teacher": tensors}}, averaged),
    ):
        assert load_torch(model, content) == []
        assert np.array_equal(model.get_layer("predictions").bias, expected["fc.bias"])
    said = [line.removeprefix("state_dict: the tensors of ") for line in capsys.readouterr().err.splitlines()]
    assert said == [
        "'model' are read, not those of 'optimizer'",
        "'net' are read, not those of 'optimizer'",
        "'model_ema' are read, not those of 'model'",
        "'model_ema' are read, not those of the file itself",
        "'student' are read, not those of 'teacher'",
        "'nets.student' are read, not those of 'nets.teacher'",
    ]
    with pytest.raises(ArgumentError, match="state_dict has no tensors: save model.state_dict"):
        load_torch(model, {"epoch": 3})


def test_hugging_faces_names():
    def theirs(name):  # transformers 5.24: ResNetForImageClassification of `layer_type="basic"`
        module, _, part = name.rpartition(".")
        if module == "fc":
            return f"classifier.1.{part}"
        unit, _, last = module.rpartition(".")
        kind = "normalization" if last.startswith("bn") or module.endswith("downsample.1") else "convolution"
        if not unit:
            return f"resnet.embedder.embedder.{kind}.{part}"
        stage, block = (int(number) for number in unit.removeprefix("layer").split(".")[:2])
        layer = "shortcut" if "downsample" in unit else f"layer.{int(last[-1]) - 1}"
        return f"resnet.encoder.stages.{stage - 1}.layers.{block}.{layer}.{kind}.{part}"

    tensors = state_dict("torchvision_resnet18", classes=7)
    model, expected = (keras_resnets.ResNet18(classes=7, **SMALL) for _ in range(2))
    load_torch(expected, tensors)
    assert load_torch(model, renamed(theirs, tensors)) == []
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), expected.get_weights(), strict=True))
    trunk = {
        name.removeprefix("resnet."): value
        for name, value in renamed(theirs, tensors).items()
        if "classifier" not in name
    }
    assert load_torch(keras_resnets.ResNet18(include_top=False), trunk) == []
    with pytest.raises(ArgumentError, match="weights of Hugging Face's ResNet: use ResNet18"):
        load_torch(keras_resnets.ResNet34(classes=7, **SMALL), renamed(theirs, tensors))


@pytest.mark.parametrize(
    "text, message",
    [
        (
            "Weights only load failed. You have two options, \x1b[1mdo those\x1b[0m. \n\tWeightsUnpickler error: "
            "Unsupported global: GLOBAL models.Net was not an allowed global by default. Please use ...",
            "holds models.Net, which PyTorch's safe loader refuses; nothing in the file was executed",
        ),
        (
            "Weights only load failed. \nPlease file: WeightsUnpickler error: \n\nUnsupported operand 149\n\nCheck",
            "cannot be read by PyTorch (Unsupported operand 149): download or save it again",
        ),
        (
            "\x1b[31mfailed finding central directory\x1b[0m",
            "cannot be read by PyTorch (failed finding central directory)",
        ),
    ],
)
def test_a_refusal_of_pytorchs_safe_loader_begins_with_its_cause(text, message):
    assert refusal(pickle.UnpicklingError(text)).startswith(message)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_files(dtype, tmp_path):
    tensors = state_dict("torchvision_resnet18", classes=7)
    half = {name: value if value.dtype == "int64" else value.astype(dtype) for name, value in tensors.items()}
    save_file(half, tmp_path / "half.safetensors")
    model = keras_resnets.ResNet18(weights=tmp_path / "half.safetensors", classes=7, **SMALL)
    kernel = tensors["conv1.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_allclose(model.get_layer("conv1_conv").kernel, kernel, rtol=1e-2)


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
    with zipfile.ZipFile(tmp_path / "names", "w") as archive:
        archive.writestr("é/data.pkl", b"")
    contents["names.pth"] = (tmp_path / "names").read_bytes().replace("é".encode(), b"\xff\xff")
    model = keras_resnets.ResNet18(classes=7, **SMALL)
    before = model.get_weights()
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ArgumentError, match=f"weights='{tmp_path / name}' "):
            load_weights(model, tmp_path / name)
    assert not (tmp_path / "executed").exists()
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_published_weights_that_there_are_not_say_which_there_are():
    with pytest.raises(ArgumentError, match='weights="imagenet" of plainnet18: .* publish none for this net; they do'):
        keras_resnets.PlainNet18(weights="imagenet")
    for build in (keras_resnets.CifarResNet, keras_resnets.CifarPlainNet, keras_resnets.CifarResNetV2):
        with pytest.raises(ArgumentError, match="weights='imagenet' is not an existing file"):
            build(8, weights="imagenet")
    with pytest.raises(
        ArgumentError, match='weights="imagenet" has 1000 classes, not 5: pass classes=1000, or include'
    ):
        keras_resnets.ResNet50(weights="imagenet", classes=5)


@pytest.mark.slow
def test_published_weights_come_from_the_caches_and_are_checked(tmp_path, in_new_process):
    commit, repository = "0" * 40, tmp_path / "hub" / "models--timm--resnet18.tv_in1k"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    (repository / "snapshots" / commit).mkdir(parents=True)
    save_file(state_dict("torchvision_resnet18"), repository / "snapshots" / commit / "model.safetensors")
    (tmp_path / "models").mkdir()
    damaged = tmp_path / "models" / "googlenet-1378be20.pth"
    damaged.write_bytes(b"PK\x03\x04 not what was published")
    process = in_new_process(f"""
import os
os.environ.update(HF_HUB_CACHE={str(tmp_path / "hub")!r}, KERAS_HOME={str(tmp_path)!r})
import keras_resnets
model = keras_resnets.ResNet18(weights="imagenet", input_shape=(64, 64, 3), name="mine")
print(model.get_layer("conv1_bn").gamma.numpy()[0])
try:
    keras_resnets.GoogLeNet(weights="torchvision:IMAGENET1K_V1")
except keras_resnets.ArgumentError as error:
    print(error)
""")
    gamma, error = process.stdout.splitlines()[-2:]
    assert float(gamma) == pytest.approx(state_dict("torchvision_resnet18")["bn1.weight"][0]), process.stderr
    assert "googlenet-1378be20.pth was damaged in transit and has been deleted" in error and not damaged.exists()


def test_the_rows_are_those_of_keras_applications():
    sources = {
        "resnet50": keras.src.applications.resnet,
        "resnet101": keras.src.applications.resnet,
        "resnet152": keras.src.applications.resnet,
        "inception_v3": keras.src.applications.inception_v3,
        "inception_resnet_v2_slim": keras.src.applications.inception_resnet_v2,
        "vgg16": keras.src.applications.vgg16,
        "vgg19": keras.src.applications.vgg19,
    }
    published = {row.net: row for row in FILES if row.source == "keras.applications"}
    images = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype("float32")
    assert sources.keys() == published.keys()
    for net, module in sources.items():
        row, text = published[net], inspect.getsource(module)
        assert row.checksum in text and row.notop_checksum in text
        folder = row.file.split("/")[-2]
        assert f"{folder}/" in text and row.notop.endswith("_notop.h5")
        assert f"default_size={row.size}" in text
        np.testing.assert_allclose(
            module.preprocess_input(images.copy()), row.normalization.normalize(images), atol=1e-4
        )
    # In their order: with the classifier, without.
    hashes = keras.src.applications.resnet.WEIGHTS_HASHES
    assert hashes["resnet50"] == (published["resnet50"].checksum, published["resnet50"].notop_checksum)


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
    with pytest.raises(ArgumentError, match="model='resnet999' is unknown"):
        keras_resnets.preprocess_input(images, "resnet999", resnet18_file)
    with pytest.raises(ArgumentError, match="weights='None' is not an existing file"):
        keras_resnets.preprocess_input(images, "resnet18", None)


def test_preprocessing_inside_of_a_model():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras_resnets.preprocess_input(image, "resnet50"))
    images = np.full((1, 2, 2, 3), 100.0, "float32")
    np.testing.assert_allclose(model(images), keras_resnets.preprocess_input(images, "resnet50"), atol=1e-5)
