"""Plain nets and residual nets for ImageNet."""

import inspect
import re
import typing

import keras
import numpy as np
import pytest

import keras_resnets
from keras_resnets import ArgumentError


def convolutions(model):
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]


def projecting_units(model):
    return [layer.name.removesuffix("_0_conv") for layer in convolutions(model) if layer.name.endswith("_0_conv")]


@pytest.mark.parametrize(
    "name, depth",
    [
        ("PlainNet18", 18),
        ("ResNet34", 34),
        ("ResNet50", 50),
        ("ResNet101V1_5", 101),
        ("ResNet152", 152),
    ],
)
@pytest.mark.usefixtures("without_weights")
def test_depth_is_the_number_of_weight_layers_without_projections(name, depth):
    model = getattr(keras_resnets, name)(input_shape=(32, 32, 3))
    assert len(convolutions(model)) - len(projecting_units(model)) + 1 == depth


@pytest.mark.usefixtures("without_weights")
def test_which_units_project():
    dimensions_grow = ["conv3_block1", "conv4_block1", "conv5_block1"]
    every_unit = [f"conv{i}_block{j}" for i, units in zip((2, 3, 4, 5), (3, 4, 6, 3)) for j in range(1, units + 1)]
    build = keras_resnets.ResNet34
    assert projecting_units(build(input_shape=(32, 32, 3), shortcut="A")) == []
    assert projecting_units(build(input_shape=(32, 32, 3), shortcut="B")) == dimensions_grow
    assert projecting_units(build(input_shape=(32, 32, 3), shortcut="C")) == every_unit
    # A bottleneck has four times the filters at its end, so conv2's first unit projects as well.
    assert projecting_units(keras_resnets.ResNet50(input_shape=(32, 32, 3))) == ["conv2_block1", *dimensions_grow]
    assert projecting_units(keras_resnets.PlainNet34(input_shape=(32, 32, 3))) == []


@pytest.mark.usefixtures("without_weights")
def test_where_bottlenecks_have_their_stride():
    def strided(model):
        layers = [layer for layer in convolutions(model) if layer.strides == (2, 2)]
        return {layer.name[-6:] for layer in layers if "block" in layer.name}

    assert strided(keras_resnets.ResNet50(input_shape=(32, 32, 3))) == {"0_conv", "1_conv"}
    assert strided(keras_resnets.ResNet50V1_5(input_shape=(32, 32, 3))) == {"0_conv", "2_conv"}


@pytest.mark.parametrize(
    "name, channels", [("ResNet18", (64, 64, 128, 256, 512)), ("ResNet50", (64, 256, 512, 1024, 2048))]
)
@pytest.mark.usefixtures("without_weights")
def test_stage_outputs_by_name(name, channels):
    model = getattr(keras_resnets, name)()
    shapes = [model.get_layer(f"conv{i}_out").output.shape[1:] for i in range(1, 6)]
    assert shapes == [(side, side, c) for side, c in zip((112, 56, 28, 14, 7), channels)]
    trunk = keras.Model(model.input, model.get_layer("conv4_out").output)
    assert trunk.output_shape == (None, 14, 14, channels[3])


def test_convolutions_have_no_bias_and_he_initialisation():
    model = keras_resnets.ResNet18()
    assert not any(layer.use_bias for layer in convolutions(model))
    kernels = {layer.name: layer.kernel.numpy() for layer in convolutions(model)}
    # 2.4 million draws: the standard deviation is within 0.2 % of sqrt(2 / (k * k * filters)).
    np.testing.assert_allclose(kernels["conv5_block2_1_conv"].std(), (2 / (9 * 512)) ** 0.5, rtol=2e-3)
    assert not np.array_equal(kernels["conv5_block2_1_conv"], kernels["conv5_block2_2_conv"])


def test_initial_weights_follow_the_seed():
    def kernel(seed):
        keras.utils.set_random_seed(seed)
        return keras_resnets.CifarResNet(8).get_layer("conv1_conv").kernel.numpy()

    assert np.array_equal(kernel(1), kernel(1)) and not np.array_equal(kernel(1), kernel(2))


@pytest.mark.parametrize("bottleneck", [False, True])
def test_zero_gamma_makes_every_unit_its_shortcut(bottleneck):
    filters = (4, 4)
    model = keras_resnets.ResNet((2, 2), filters, input_shape=(32, 32, 3), bottleneck=bottleneck, zero_gamma=True)
    first, last = model.get_layer("conv2_block1_out").output, model.get_layer("conv2_out").output
    first, last = keras.Model(model.input, [first, last])(np.random.normal(size=(2, 32, 32, 3)))
    np.testing.assert_array_equal(first, last)
    assert np.ptp(last) > 0


def test_a_plain_net_is_the_residual_net_without_its_additions(randomize):
    arguments = {"input_shape": (32, 32, 3), "classes": 3}
    plain, residual = keras_resnets.PlainNet18(**arguments), keras_resnets.ResNet18(**arguments, shortcut="A")
    randomize(residual)
    plain.set_weights(residual.get_weights())
    assert not any(isinstance(layer, keras.layers.Add) for layer in plain.layers)
    images = np.random.normal(size=(2, 32, 32, 3))
    assert np.abs(plain(images) - residual(images)).max() > 1e-3


def test_any_size_with_the_classifier():
    model = keras_resnets.ResNet18(input_shape=(None, None, 3), classes=5)
    assert model.output_shape == (None, 5)
    for size in [(32, 32), (33, 50)]:
        np.testing.assert_allclose(np.sum(model(np.ones((1, *size, 3))), axis=1), 1, rtol=1e-5)


@pytest.mark.usefixtures("without_weights")
def test_the_arguments_of_keras_applications():
    ours = list(inspect.signature(keras_resnets.ResNet101).parameters.values())[:8]
    theirs = list(inspect.signature(keras.applications.ResNet101).parameters.values())[:8]
    assert [p.name for p in ours] == [p.name for p in theirs]
    assert all(o.default == t.default for o, t in zip(ours, theirs) if o.name != "weights")
    assert keras_resnets.ResNet101.__name__ == "ResNet101" and "ResNet-101" in keras_resnets.ResNet101.__doc__

    image = keras.Input((64, 48, 3))
    model = keras_resnets.ResNet18(False, None, image, pooling="max", name="mine")
    assert model.input is image and model.name == "mine" and model.output_shape == (None, 512)
    assert keras_resnets.ResNet18(include_top=False).output_shape == (None, None, None, 512)
    assert keras_resnets.ResNet18(include_top=False, input_shape=(64, 96, 1)).output_shape == (None, 2, 3, 512)
    assert keras_resnets.ResNet18(pooling="max", classes=np.int64(4), input_shape=(32, 32, 3)).output_shape == (None, 4)
    logits = keras_resnets.ResNet18(input_shape=(32, 32, 3), classes=4, classifier_activation=None)
    assert logits.layers[-1].activation is keras.activations.linear

    scaled = keras.layers.Rescaling(2.0)(image)
    model = keras_resnets.ResNet18(False, input_tensor=scaled)
    assert model.input is image and model.layers[1].name == scaled._keras_history.operation.name


def test_a_familys_arguments_are_around_those_of_keras_applications():
    parameters = list(inspect.signature(keras_resnets.CifarResNet).parameters.values())
    assert [parameter.name for parameter in parameters[:3]] == ["depth", "include_top", "weights"]
    assert parameters[9].name == "bottleneck" and parameters[9].kind is inspect.Parameter.KEYWORD_ONLY
    net = keras_resnets.CifarResNet(8, True, None, None, (16, 16, 3), None, 4, None, "mine", shortcut="B")
    assert net.name == "mine" and net.input_shape == (None, 16, 16, 3) and net.output_shape == (None, 4)
    for build in (keras_resnets.CifarResNet, keras_resnets.VGG, keras_resnets.InceptionResNetV2):
        documented = [line.split(":")[0].strip() for line in inspect.getdoc(build).splitlines() if ": " in line]
        assert set(inspect.signature(build).parameters) <= {name for line in documented for name in line.split(", ")}


@pytest.mark.parametrize(
    "build, left_out",
    [
        (keras_resnets.ResNet50, {"block_counts", "filters", "bottleneck", "stride_in"}),
        (keras_resnets.ResNet18, {"block_counts", "filters", "bottleneck", "stride_in"}),
        (keras_resnets.CifarPlainNet, {"shortcut", "bottleneck", "activation_order", "shortcut_scale", "branch_scale"}),
        (keras_resnets.VGG16, {"convolution_counts"}),
    ],
)
def test_a_variant_documents_what_it_takes(build, left_out):
    documentation, taken = inspect.getdoc(build), inspect.signature(build).parameters
    section = documentation.partition("\nArgs:\n")[2].partition("\n\nReturns:\n")[0]
    entries = [line.partition(":")[0].split(", ") for line in section.splitlines() if re.match(r"    \w", line)]
    assert sorted(name.strip() for names in entries for name in names) == sorted(taken)
    assert not left_out & taken.keys()
    assert "\n\nRaises:\n    ArgumentError: " in documentation
    assert typing.get_type_hints(build).keys() == {*taken, "return"}


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"input_shape": (31, 64, 3)}, r"input_shape=\(31, 64, 3\) is too small: .* at least 32"),
        ({"input_shape": (224, 224)}, r"input_shape=\(224, 224\) must be \(height, width, channels\)"),
        ({"include_top": False, "classes": 10}, "classes=10 has no effect with include_top=False: leave it out"),
        ({"include_top": False, "classifier_activation": None}, "classifier_activation=None has no effect"),
        ({"include_top": False, "pooling": "mean"}, "pooling='mean' is unknown: use one of None, 'avg', 'max'"),
        ({"classes": 0}, "classes=0 must be a positive integer"),
        ({"shortcut": "D"}, "shortcut='D' is unknown: use one of 'A', 'B', 'C'"),
        ({"weights": "image_net"}, "weights='image_net' is not an existing file"),
        ({"input_tensor": np.zeros((1, 64, 64, 3))}, "input_tensor is a ndarray: pass a Keras tensor"),
    ],
)
def test_arguments_that_cannot_work(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        keras_resnets.ResNet18(**arguments)


def test_arguments_of_the_general_form_that_cannot_work():
    with pytest.raises(ArgumentError, match=r"filters=\(8,\) must be 2 positive integers, one per stage"):
        keras_resnets.ResNet((2, 2), (8,))
    with pytest.raises(ArgumentError, match=r"filters=\(8.5, 8\) must be 2 positive integers, one per stage"):
        keras_resnets.ResNet((1, 1), (8.5, 8))
    with pytest.raises(ArgumentError, match=r"block_counts=\(\) must be positive integers, one per stage"):
        keras_resnets.ResNet((), ())
    with pytest.raises(ArgumentError, match="stride_in='5x5' is unknown: use one of '1x1', '3x3'"):
        keras_resnets.ResNet((1,), (8,), stride_in="5x5")
    with pytest.raises(ArgumentError, match='weights="imagenet" of resnet: .* publish none for this net'):
        keras_resnets.ResNet((1,), (8,), weights="imagenet")
    with pytest.raises(ArgumentError, match="zero_gamma=True would make a net without shortcuts constant"):
        keras_resnets.ResNet((1,), (8,), shortcut=None, zero_gamma=True)
    with pytest.raises(TypeError, match=r"PlainNet18\(\) got an unexpected keyword argument 'shortcut'"):
        keras_resnets.PlainNet18(shortcut="A")
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(ArgumentError, match="set_image_data_format"):
            keras_resnets.ResNet18(input_shape=(3, 64, 64))
    finally:
        keras.config.set_image_data_format("channels_last")


def test_softmax_is_in_full_precision_under_a_mixed_policy():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = keras_resnets.ResNet((1,), (8,), input_shape=(32, 32, 3))
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("conv1_conv").compute_dtype == "bfloat16"
    assert model(np.zeros((1, 32, 32, 3))).dtype == "float32"
