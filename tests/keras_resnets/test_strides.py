"""No convolution leaves pixels out: why is said in `keras_resnets.models.residual.subsample`."""

import itertools
import pathlib

import keras
import numpy as np
import pytest
from strides import skipping_convolutions

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.detection.backbones import backbone_names, backbone_net
from keras_resnets.models.residual import ACTIVATION_ORDERS, SHORTCUTS, subsample

SAVED = pathlib.Path(__file__).parent / "saved"


def test_the_check_finds_what_it_is_for():
    image = keras.Input((8, 8, 2))
    inner = keras.Model(image, keras.layers.Conv2D(2, (1, 3), strides=2, name="skips")(image))
    assert skipping_convolutions(keras.Model(image, keras.layers.Conv2D(2, 2, strides=2)(inner(image)))) == ["skips"]


@pytest.mark.parametrize("height, width", [(8, 8), (7, 10), (1, 3)])
def test_subsampling_keeps_every_second_pixel(height, width):
    x = np.random.normal(size=(2, height, width, 3)).astype("float32")
    image = keras.Input((None, None, 3))
    y = keras.Model(image, subsample(image, 2, "subsample"))(x)
    np.testing.assert_array_equal(y, x[:, ::2, ::2])


@pytest.mark.usefixtures("without_weights")
@pytest.mark.parametrize("bottleneck", [False, True])
def test_no_unit_has_such_a_convolution(bottleneck):
    units = itertools.product([*SHORTCUTS, None], ACTIVATION_ORDERS)
    for shortcut, order in units:
        if (shortcut is None and order != "original") or (bottleneck and shortcut not in ("B", "C", None)):
            continue
        net = keras_resnets.CifarResNet(
            11 if bottleneck else 8, shortcut=shortcut, activation_order=order, bottleneck=bottleneck
        )
        assert skipping_convolutions(net) == []


@pytest.mark.usefixtures("without_weights")
@pytest.mark.parametrize("bottleneck, stride_in", [(False, "3x3"), (True, "1x1"), (True, "3x3")])
def test_no_net_for_imagenet_has_one_at_an_eighth_of_its_width(bottleneck, stride_in):
    units, filters = (1, 1, 1, 1), (8, 16, 32, 64)
    for shortcut in ("A", "B", "C", None):
        if shortcut != "A" or not bottleneck:
            net = keras_resnets.ResNet(units, filters, bottleneck=bottleneck, stride_in=stride_in, shortcut=shortcut)
            assert skipping_convolutions(net) == []
    for stem in ("timm", "paper"):
        net = keras_resnets.ResNetV2(units, filters, bottleneck=bottleneck, stride_in=stride_in, stem=stem)
        assert skipping_convolutions(net) == []


def backbones():
    """Returns small nets as detectors take them, by the family that they are of."""
    units, filters = (1, 1, 1, 1), (8, 16, 32, 64)
    return {
        "resnet": keras_resnets.ResNet(units, filters, include_top=False),
        "resnet50": keras_resnets.ResNet(units, filters, include_top=False, bottleneck=True),
        "resnet50_v1_5": keras_resnets.ResNet(units, filters, include_top=False, bottleneck=True, stride_in="3x3"),
        "resnet_v2": keras_resnets.ResNetV2(units, filters, include_top=False),
        "plainnet": keras_resnets.ResNet(units, filters, include_top=False, shortcut=None),
        "vgg16": backbone_net("vgg16", width=1 / 8),
        "zfnet": backbone_net("zfnet", width=1 / 8),
    }


DETECTORS = (keras_resnets.FasterRCNN, keras_resnets.FastRCNN, keras_resnets.SPPNet, keras_resnets.RCNN)


@pytest.mark.usefixtures("without_weights")
@pytest.mark.parametrize("build", [*DETECTORS, keras_resnets.Localizer], ids=lambda build: build.__name__)
def test_no_detector_has_one_at_an_eighth_of_its_width(build):
    options = {"head_units": 8} if build is keras_resnets.SPPNet else {}
    for net in backbones().values():
        assert skipping_convolutions(build(2, net, **options)) == []


@pytest.mark.usefixtures("without_weights")
def test_no_head_has_one():
    for head in ("mlp", "conv", "maxout"):
        options = {"head_units": 8, "pool_size": 4, "scales": (0.5, 1.0), "global_context": True}
        assert skipping_convolutions(keras_resnets.FastRCNN(2, backbones()["resnet50"], head=head, **options)) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", backbone_names())
def test_no_detector_has_one_at_full_size(name):
    for build in (*DETECTORS, keras_resnets.Localizer):
        try:
            detector = build(20, name)
        except ArgumentError:
            assert build in (keras_resnets.SPPNet, keras_resnets.RCNN)  # Some are for some backbones only.
            continue
        assert skipping_convolutions(detector) == []


@pytest.mark.usefixtures("without_weights")
def test_both_convolutions_of_a_unit_share_what_they_see():
    model = keras_resnets.ResNet((1, 1), (2, 4), bottleneck=True, input_shape=(32, 32, 3))
    subsampled = model.get_layer("conv3_block1_subsample").output
    assert all(model.get_layer(f"conv3_block1_{i}_conv").input is subsampled for i in (0, 1))
    assert sum(layer.name.endswith("subsample") for layer in model.layers) == 1


@pytest.mark.parametrize("name", ["resnet_bottleneck", "resnet_a"])
def test_nets_that_were_saved_with_strided_projections_have_the_same_outputs(name):
    stored = np.load(SAVED / "outputs.npz")
    saved = keras.models.load_model(SAVED / f"{name}.keras")
    np.testing.assert_allclose(saved(stored["images"]), stored[name], rtol=1e-4, atol=1e-6)


def test_weights_that_were_saved_with_strided_projections_fit():
    stored = np.load(SAVED / "outputs.npz")
    arguments = {"bottleneck": True, "classes": 5, "input_shape": (None, None, 3)}
    file = SAVED / "resnet_bottleneck.weights.h5"
    model = keras_resnets.ResNet((1, 1), (4, 8), weights=file, **arguments)
    assert skipping_convolutions(model) == []
    np.testing.assert_allclose(model(stored["images"]), stored["resnet_bottleneck"], rtol=1e-4, atol=1e-6)
    model = keras_resnets.ResNet((1, 1), (4, 8), **arguments)
    model.load_weights(file)
    np.testing.assert_allclose(model(stored["images"]), stored["resnet_bottleneck"], rtol=1e-4, atol=1e-6)


def test_a_detector_that_was_saved_with_strided_projections_has_the_same_outputs():
    stored = np.load(SAVED / "outputs.npz")
    detector = keras.models.load_model(SAVED / "faster_rcnn.keras")
    found = detector({name: stored[f"detector_{name}"] for name in ("images", "image_shapes")})
    for name, tolerance in {"boxes": 1e-2, "scores": 1e-4, "classes": 0, "num_detections": 0}.items():
        np.testing.assert_allclose(found[name], stored[f"faster_rcnn_{name}"], rtol=0, atol=tolerance)
