"""Parameters, multiply-adds and stage shapes of every net at full size, and the README's table of them."""

import pathlib

import keras
import pytest
from strides import skipping_convolutions

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.models.registry import names
from keras_resnets.surgery.graph import batch_normalizations
from trainers.readme.net_table import row
from trainers.readme.place import HEAD, table
from trainers.runtime.measuring import parameters

pytestmark = pytest.mark.usefixtures("without_weights")
README = pathlib.Path(__file__).parents[2] / "README.md"

RESNET = {"conv1_out": (112, 64), "conv2_out": (56, 64), "conv3_out": (28, 128), "conv4_out": (14, 256)}
RESNET |= {"conv5_out": (7, 512)}
BOTTLENECKS = {"conv2_out": (56, 256), "conv3_out": (28, 512), "conv4_out": (14, 1024), "conv5_out": (7, 2048)}
BOTTLENECKS |= {"conv1_out": (112, 64)}
CIFAR = {"conv1_out": (32, 16), "conv2_out": (32, 16), "conv3_out": (16, 32), "conv4_out": (8, 64)}
CIFAR_BOTTLENECKS = {"conv1_out": (32, 16), "conv2_out": (32, 64), "conv3_out": (16, 128), "conv4_out": (8, 256)}
GOOGLENET = {"conv1_out": (112, 64), "conv2_out": (56, 192), "conv3_out": (28, 480), "conv4_out": (14, 832)}
GOOGLENET |= {"conv5_out": (7, 1024)}
VGG = {"conv1_out": (224, 64), "conv2_out": (112, 128), "conv3_out": (56, 256), "conv4_out": (28, 512)}
VGG |= {"conv5_out": (14, 512), "pool5": (7, 512)}
ZF = {"conv1_out": (110, 96), "pool1": (55, 96), "conv2_out": (26, 256), "pool2": (13, 256)}
LONG_STEM = {"conv1_1_relu": (149, 32), "conv1_2_relu": (147, 32), "conv1_out": (147, 64)}
LONG_STEM |= {"conv2_block1_out": (73, 160), "conv2_out": (71, 192), "conv3_block1_out": (35, 384)}
SHORT_STEM = {"conv1_1_relu": (149, 32), "conv1_2_relu": (147, 32), "conv1_out": (147, 64), "conv1_pool": (73, 64)}
SHORT_STEM |= {"conv2_1_relu": (73, 80), "conv2_out": (71, 192)}
V3 = {f"conv3_block{i}_out": (35, c) for i, c in [(1, 256), (2, 288)]} | {"conv3_out": (35, 288)}
V3 |= {f"conv4_block{i}_out": (17, 768) for i in range(1, 5)} | {"conv4_out": (17, 768)}
V3 |= {"conv5_block1_out": (8, 1280), "conv5_block2_out": (8, 2048), "conv5_out": (8, 2048)}

# Trainable parameters, all parameters, multiply-adds, (side, channels).
FIGURES = {
    "plainnet18": (11_515_688, 11_523_496, 1_794_805_760, RESNET),
    "plainnet34": (21_623_848, 21_639_080, 3_644_493_824, RESNET),
    "resnet18": (11_689_512, 11_699_112, 1_814_073_344, RESNET),
    "resnet34": (21_797_672, 21_814_696, 3_663_761_408, RESNET),
    "resnet50": (25_557_032, 25_610_152, 3_857_973_248, BOTTLENECKS),
    "resnet101": (44_549_160, 44_654_504, 7_570_194_432, BOTTLENECKS),
    "resnet152": (60_192_808, 60_344_232, 11_282_415_616, BOTTLENECKS),
    "resnet200": (64_673_832, 64_849_832, 14_776_270_848, BOTTLENECKS),
    "resnet50_v1_5": (25_557_032, 25_610_152, 4_089_184_256, BOTTLENECKS),
    "resnet101_v1_5": (44_549_160, 44_654_504, 7_801_405_440, BOTTLENECKS),
    "resnet152_v1_5": (60_192_808, 60_344_232, 11_513_626_624, BOTTLENECKS),
    "resnet18_v2": (11_687_720, None, 1_814_073_344, RESNET),
    "resnet34_v2": (21_795_880, None, 3_663_761_408, RESNET),
    "resnet50_v2": (25_549_352, 25_594_792, 4_089_184_256, BOTTLENECKS),
    "resnet101_v2": (44_541_480, 44_639_144, 7_801_405_440, BOTTLENECKS),
    "resnet152_v2": (60_185_128, 60_328_872, 11_513_626_624, BOTTLENECKS),
    "resnet200_v2": (64_666_152, 64_834_472, 15_007_481_856, BOTTLENECKS),
    "cifar_plainnet20": (269_722, 271_098, 40_551_040, CIFAR),
    "cifar_plainnet32": (464_154, 466_426, 68_862_592, CIFAR),
    "cifar_plainnet44": (658_586, 661_754, 97_174_144, CIFAR),
    "cifar_plainnet56": (853_018, 857_082, 125_485_696, CIFAR),
    "cifar_plainnet110": (1_727_962, 1_736_058, 252_887_680, CIFAR),
    "cifar_resnet20": (269_722, 271_098, 40_551_040, CIFAR),
    "cifar_resnet32": (464_154, 466_426, 68_862_592, CIFAR),
    "cifar_resnet44": (658_586, 661_754, 97_174_144, CIFAR),
    "cifar_resnet56": (853_018, 857_082, 125_485_696, CIFAR),
    "cifar_resnet110": (1_727_962, 1_736_058, 252_887_680, CIFAR),
    "cifar_resnet1202": (19_421_274, 19_510_906, 2_829_238_912, CIFAR),
    "cifar_resnet_v2_110": (1_727_962, None, 252_887_680, CIFAR),
    "cifar_resnet_v2_164": (1_703_258, None, 244_500_992, CIFAR_BOTTLENECKS),
    "cifar_resnet_v2_1001": (10_327_706, None, 1_487_849_984, CIFAR_BOTTLENECKS),
    "googlenet": (6_624_904, 6_639_464, 1_498_376_192, GOOGLENET),
    "bn_inception": (
        11_194_984,
        None,
        2_018_851_840,
        {"conv1_out": (112, 64), "conv2_out": (56, 192), "conv3_out": (28, 320)}
        | {"conv4_block1_out": (14, 576), "conv4_out": (14, 576), "conv5_out": (7, 1024)},
    ),
    "inception_v3": (23_817_352, 23_851_784, 5_713_216_096, V3),
    "inception_v4": (
        42_679_816,
        42_742_984,
        12_253_974_624,
        LONG_STEM
        | {"conv3_out": (35, 384), "conv4_block1_out": (17, 1024), "conv4_out": (17, 1024)}
        | {"conv5_block1_out": (8, 1536), "conv5_out": (8, 1536)},
    ),
    "inception_resnet_v1": (
        22_756_328,
        22_783_368,
        6_206_361_696,
        SHORT_STEM
        | {"conv3_out": (35, 256), "conv4_block1_out": (17, 896), "conv4_out": (17, 896), "conv5_out": (8, 1792)},
    ),
    "inception_resnet_v2": (
        32_433_928,
        32_466_792,
        9_257_953_632,
        LONG_STEM | {"conv3_out": (35, 384), "conv4_out": (17, 1152), "conv5_out": (8, 2144)},
    ),
    "inception_resnet_v2_slim": (
        55_843_464,
        55_904_008,
        13_155_794_016,
        SHORT_STEM
        | {"conv3_out": (35, 320), "conv4_out": (17, 1088), "conv5_block11_out": (8, 2080), "conv5_out": (8, 1536)},
    ),
    "vgg16": (138_357_544, 138_357_544, 15_470_264_320, VGG),
    "vgg19": (143_667_240, 143_667_240, 19_632_062_464, VGG),
    "zfnet": (
        62_357_608,
        62_357_608,
        None,
        ZF | {"pool5": (6, 256)},
    ),
    "zfnet_spp": (77_037_672, 77_037_672, None, ZF | {"conv5_out": (13, 256)}),  # fc6 has 12,800 inputs, not 9,216.
}

DEEPEST = ("cifar_resnet1202", "cifar_resnet_v2_1001")


def test_every_net_has_its_figures():
    assert sorted(FIGURES) == keras_resnets.list_models() == sorted(names())


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in DEEPEST else ()) for name in FIGURES]
)
def test_published_figures_and_the_line_of_the_readme(name):
    trainable, total, multiply_adds, shapes = FIGURES[name]
    model = keras_resnets.create_model(name)
    assert model.name == name
    assert parameters(model) == trainable
    assert total is None or model.count_params() == total
    assert multiply_adds is None or keras_resnets.multiply_adds(model) == multiply_adds
    assert {layer: model.get_layer(layer).output.shape[1:] for layer in shapes} == {
        layer: (side, side, channels) for layer, (side, channels) in shapes.items()
    }
    assert skipping_convolutions(model) == []
    assert table(README.read_text())[name] == row(name, model)


def test_the_table_of_the_readme_is_whole():
    text = README.read_text()
    assert HEAD in text and list(table(text)) == names()
    with pytest.raises(ArgumentError, match="--readme must have the lines"):
        table("# Another README")


@pytest.mark.parametrize(
    "build, expected",
    [
        (lambda: keras_resnets.ResNet18(shortcut="A"), 11_515_688),
        (lambda: keras_resnets.ResNet18(shortcut="C"), 12_043_816),
        (lambda: keras_resnets.ResNet34(shortcut="A"), 21_623_848),
        (lambda: keras_resnets.ResNet34(shortcut="C"), 22_716_840),
        (lambda: keras_resnets.CifarResNet(14), 172_506),
        (lambda: keras_resnets.CifarResNet(20, shortcut="B"), 272_474),
        (lambda: keras_resnets.CifarResNet(110, shortcut="C"), 1_826_202),
        (lambda: keras_resnets.CifarResNet(110, shortcut="exclusive_gating"), 1_824_186),
        (lambda: keras_resnets.CifarResNet(110, shortcut="shortcut_only_gating"), 1_824_186),
        (lambda: keras_resnets.CifarResNet(110, shortcut="constant_scaling"), 1_727_962),
        (lambda: keras_resnets.CifarResNet(110, shortcut="dropout"), 1_727_962),
        (lambda: keras_resnets.CifarResNet(110, layers_per_unit=1), 1_727_962),
        (lambda: keras_resnets.CifarResNet(164, bottleneck=True), 1_704_154),
        (lambda: keras_resnets.CifarResNet(164, bottleneck=True, classes=100), 1_727_284),
        (lambda: keras_resnets.CifarResNetV2(164, classes=100), 1_726_388),
        (lambda: keras_resnets.CifarResNetV2(110, classes=100), 1_733_812),
    ],
)
def test_published_parameters_of_variants(build, expected):
    assert parameters(build()) == expected


def longest_path(model, name):
    """Returns the most convolutions that lead to a layer, without linear ones of residuals, and their kernel sizes."""
    paths = {}
    for layer in model.layers:
        before = max((paths.get(id(x), []) for x in keras.tree.flatten(layer.input)), key=len, default=[])
        counted = isinstance(layer, keras.layers.Conv2D) and not layer.name.endswith("_linear_conv")
        paths[id(layer.output)] = before + [layer.kernel_size] if counted else before
    return paths[id(model.get_layer(name).output)]


# The orders are timm's.
STEM_OF_NINE = [(3, 3), (3, 3), (3, 3), (3, 3), (1, 1), (1, 7), (7, 1), (3, 3), (3, 3)]


def test_inception_v4_has_75_layers_in_timms_order():
    model = keras_resnets.InceptionV4(width=1 / 32)
    path = longest_path(model, "conv5_out")
    assert len(path) == 75 and path[:9] == longest_path(model, "conv3_block1_out") == STEM_OF_NINE
    b, c = (len(longest_path(model, f"{stage}_block1_out")) for stage in ("conv4", "conv5"))
    assert path[b : b + 5] == [(1, 1), (7, 1), (1, 7), (7, 1), (1, 7)] and path[c : c + 3] == [(1, 1), (3, 1), (1, 3)]


def test_inception_resnet_v2_has_75_layers_beside_the_linear_ones():
    model = keras_resnets.InceptionResNetV2(width=1 / 32)
    path = longest_path(model, "conv5_out")
    assert len(path) == 75 and path[:9] == longest_path(model, "conv3_block1_out") == STEM_OF_NINE


# torchvision's, whose batch normalization has gammas.
def test_inception_v3_with_its_papers_auxiliary_head_and_slims_dropout():
    model = keras_resnets.InceptionV3(dropout_rate=0.2, auxiliary_head=True)
    gammas = sum(layer.beta.shape[0] for layer in batch_normalizations(model))
    assert parameters(model) + gammas == 27_161_264
    assert model.get_layer("auxiliary_pool").input is model.get_layer("conv4_out").output
    assert [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)] == [0.2]
    assert [output.shape for output in model.outputs] == [(None, 1000)] * 2


def test_strides_in_the_first_1x1_of_pre_activation_nets():
    arguments = {"bottleneck": True, "input_shape": (224, 224, 3)}
    model = keras_resnets.ResNetV2((3, 4, 6, 3), (64, 128, 256, 512), stride_in="1x1", **arguments)
    assert keras_resnets.multiply_adds(model) == 3_857_973_248


def test_multiply_adds_need_a_size():
    with pytest.raises(ArgumentError, match=r"cifar_resnet8 has the input \(None, None, None, 3\): build it with an"):
        keras_resnets.multiply_adds(keras_resnets.CifarResNet(8, input_shape=(None, None, 3)))


def test_the_last_activation_is_the_last_layer_of_a_pre_activation_net():
    model = keras_resnets.CifarResNetV2(8, include_top=False)
    assert [layer.name for layer in model.layers[-3:]] == ["conv4_out", "post_bn", "post_relu"]
    assert isinstance(model.get_layer("conv4_out"), keras.layers.Add)
