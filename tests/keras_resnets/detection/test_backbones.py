"""Narrow nets without shortcuts as the two parts of a detector."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from narrow_detectors import SEEDS, TARGETS, assert_same, inputs

import keras_resnets
from keras_resnets import ArgumentError, FasterRCNN
from keras_resnets.detection.backbones import backbone_net, classification_net, load_backbone, make_backbone

NARROW = {"anchor_sizes": (16, 32), "test_post_nms_topk": 20, "train_post_nms_topk": 40, "roi_batch_size": 16}
NARROW |= {"max_detections": 10, "score_threshold": 0.0}
NETS = {
    "vgg": lambda **shape: keras_resnets.VGG((1, 1, 1, 1, 1), include_top=False, width=1 / 32, **shape),
    "zf": lambda: keras_resnets.ZFNet(include_top=False, padding="faster_rcnn", width=1 / 16),
    "plain": lambda **shape: keras_resnets.ResNet(
        (1, 1, 1, 1), (8, 8, 16, 16), include_top=False, shortcut=None, **shape
    ),
    "cifar_plain": lambda: keras_resnets.CifarPlainNet(8, include_top=False, filters=(4, 8, 16)),
    "googlenet": lambda: keras_resnets.GoogLeNet(include_top=False, width=1 / 16),
}


@pytest.mark.parametrize("net, stride, bins, features", [("vgg", 16, 7, 128), ("zf", 16, 6, 256)])
def test_fully_connected_layers_are_as_narrow_as_their_net(net, stride, bins, features):
    parts = make_backbone(NETS[net]())
    assert (parts.strides, parts.pool_size, parts.region_features.shape[1:]) == ((stride,), bins, (features,))
    assert [layer.name for layer in parts.trunk.layers][-1] == "conv5_out"


@pytest.mark.parametrize("net, stride, features", [("plain", 16, 16), ("cifar_plain", 2, 16), ("googlenet", 16, 64)])
def test_the_last_stage_of_other_nets_is_for_regions(net, stride, features):
    parts = make_backbone(NETS[net]())
    assert (parts.strides, parts.pool_size, parts.region_features.shape[1:]) == ((stride,), 14, (features,))


def test_zf_is_padded_as_in_detectors():
    net = keras_resnets.ZFNet(include_top=False, width=1 / 32)
    with pytest.raises(ArgumentError, match="zfnet has layers without padding, .*: pad them, .* padding='faster_rcnn'"):
        make_backbone(net)
    assert make_backbone(backbone_net("zfnet", width=1 / 32)).covers_the_image


@pytest.mark.parametrize("shape", [(64, 64, 3), (512, 512, 3), (64, None, 3), (None, None, 1)])
@pytest.mark.parametrize("neck", [None, "fpn"])
def test_a_net_for_images_of_one_size_is_refused(shape, neck):
    net = keras_resnets.ResNet((1, 1, 1, 1), (8, 8, 16, 16), include_top=False, input_shape=shape)
    remedy = r"build it with include_top=False and input_shape=\(None, None, 3\).$"
    with pytest.raises(ArgumentError, match=f"^backbone=resnet has .* {re.escape(str((None, *shape)))}, .*: {remedy}"):
        FasterRCNN(3, net, neck=neck, **NARROW)


@pytest.mark.parametrize("net", ["vgg", "plain"])
@pytest.mark.parametrize("model", ["FastRCNN", "Localizer", "RCNN", "SPPNet"])
def test_every_model_refuses_a_net_for_images_of_one_size(model, net):
    with pytest.raises(
        ArgumentError, match=r"has the input shape \(None, 224, 224, 3\), .*input_shape=\(None, None, 3"
    ):
        getattr(keras_resnets, model)(3, NETS[net](input_shape=(224, 224, 3)))


def _with_last_pooling(layer):
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, 2, "same", name="conv1_out")(image)
    return keras.Model(image, layer(keras.layers.Conv2D(4, 3, 2, "same", name="conv2_out")(x)), name="mine")


@pytest.mark.parametrize("layer", [keras.layers.MaxPooling2D(4, name="pool5"), keras.layers.ReLU(name="pool5")])
def test_a_net_with_another_last_pooling_cannot_be_cut(layer):
    with pytest.raises(ArgumentError, match="mine has a layer 'pool5' that is not a max pooling of 2x2 or 3x3 cells, "):
        make_backbone(_with_last_pooling(layer))


@pytest.mark.parametrize("net", ["vgg", "plain"])
def test_they_learn_and_are_saved(net, tmp_path):
    detector = FasterRCNN(3, NETS[net](), train_batch_norm=True, **NARROW)
    with tf.GradientTape() as tape:
        losses = detector.training_losses(inputs(), TARGETS, tf.constant(SEEDS))
        loss = sum(losses.values())
    gradients = tape.gradient(loss, [variable.value for variable in detector.trainable_variables])
    assert np.isfinite(loss) and all(np.all(np.isfinite(gradient)) for gradient in gradients)
    assert all(np.any(gradient) for gradient, v in zip(gradients, detector.trainable_variables) if "kernel" in v.path)
    detector.save(tmp_path / "detector.keras")
    assert_same(keras.models.load_model(tmp_path / "detector.keras")(inputs()), detector(inputs()), 1e-6)


def test_a_narrow_vgg_takes_all_of_a_classification_nets_weights(tmp_path, randomize):
    width = 0.07  # 35.84 filters in conv5
    randomize(classification_net("vgg16", width=width)).save_weights(tmp_path / "net.weights.h5")
    net, detector = classification_net("vgg16", width=width), FasterRCNN(3, backbone_net("vgg16", width=width))
    load_backbone(detector, net, tmp_path / "net.weights.h5")
    for part, names in [(detector.trunk, ["conv1_1_conv", "conv5_3_conv"]), (detector.region_network, ["fc6", "fc7"])]:
        for name in names:
            np.testing.assert_array_equal(part.get_layer(name).kernel, net.get_layer(name).kernel)
