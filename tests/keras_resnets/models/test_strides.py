"""No convolution leaves pixels out by itself: why is said in `keras_resnets.layers.Conv2D`."""

import itertools
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from strides import convolutions_of_gradients, skipping_convolutions

import keras_resnets
from keras_resnets.detection.backbone_names import backbone_names
from keras_resnets.detection.backbones import backbone_net
from keras_resnets.layers import Conv2D
from keras_resnets.models.residual import ACTIVATION_ORDERS, SHORTCUTS

SAVED = pathlib.Path(__file__).parent / "saved"


def test_the_check_finds_what_it_is_for():
    image = keras.Input((32, 32, 2))
    x = Conv2D(2, 1, strides=2)(keras.layers.Conv2D(2, 2, strides=2)(image))
    inner = keras.Model(image, keras.layers.Conv2D(2, (1, 3), strides=2, name="skips")(x))
    assert skipping_convolutions(keras.Model(image, Conv2D(2, (3, 1), strides=2, name="too")(inner(image)))) == [
        "skips",
        "too",
    ]


@pytest.mark.parametrize("height, width", [(8, 8), (7, 10), (1, 3)])
@pytest.mark.parametrize("arguments", [{"strides": 2}, {"strides": (1, 2), "padding": "same", "activation": "tanh"}])
def test_it_is_the_same_function(height, width, arguments):
    x = np.random.normal(size=(2, height, width, 3)).astype("float32")
    ours, keras_layer = (build(5, 1, name="convolution", **arguments) for build in (Conv2D, keras.layers.Conv2D))
    y = ours(x)
    keras_layer.build(x.shape)
    keras_layer.set_weights(ours.get_weights())
    np.testing.assert_allclose(y, keras_layer(x), rtol=1e-5, atol=1e-6)
    assert ours.compute_output_shape(x.shape) == y.shape
    same = {**keras_layer.get_config(), "kernel_initializer": None, "bias_initializer": None}
    assert {**ours.get_config(), "kernel_initializer": None, "bias_initializer": None} == same


@pytest.mark.parametrize("jit_compile", [False, True])
def test_tensorflow_is_not_asked_for_gradients_of_kernels_smaller_than_their_strides(jit_compile):
    bottlenecks = {"bottleneck": True, "input_shape": (16, 16, 3)}
    for net in (
        keras_resnets.ResNet((1, 1), (2, 4), **bottlenecks),
        keras_resnets.ResNetV2((1, 1), (2, 4), **bottlenecks),
        keras_resnets.CifarResNet(8, shortcut="exclusive_gating", filters=(2, 3, 4), input_shape=(16, 16, 3)),
    ):

        @tf.function(jit_compile=jit_compile)
        def gradients(images, net=net):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(net(images, training=True) ** 2)
            return tape.gradient(loss, [variable.value for variable in net.trainable_variables])

        found = convolutions_of_gradients(gradients.python_function, tf.zeros((2, 16, 16, 3)))
        assert len(found) == sum(isinstance(layer, keras.layers.Conv2D) for layer in net.layers)
        assert all(s <= k for pair in found for k, s in zip(*pair)), found
        assert all(np.all(np.isfinite(gradient)) for gradient in gradients(tf.random.normal((2, 16, 16, 3))))


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
@pytest.mark.usefixtures("without_weights")
@pytest.mark.parametrize("name", backbone_names())
def test_no_detector_has_one_at_full_size(name):
    for build in (*DETECTORS, keras_resnets.Localizer):
        assert skipping_convolutions(build(20, name)) == []


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
    assert skipping_convolutions(detector) == []


def test_a_new_detector_takes_a_net_that_was_saved_with_strided_projections():
    saved = keras.models.load_model(SAVED / "resnet_bottleneck.keras")
    assert skipping_convolutions(saved) != []
    detector = keras_resnets.FasterRCNN(2, keras.Model(saved.input, saved.get_layer("conv3_out").output))
    assert skipping_convolutions(detector) == []
    features = keras.Model(saved.input, saved.get_layer("conv2_out").output)
    images = np.load(SAVED / "outputs.npz")["images"]
    np.testing.assert_allclose(detector.trunk(images), features(images), rtol=1e-4, atol=1e-6)
    for layer in detector.region_network.layers:
        if layer.weights:
            assert all(map(np.array_equal, layer.get_weights(), saved.get_layer(layer.name).get_weights()))
