"""The net of Zeiler and Fergus (2013; arXiv 1311.2901, figure 3), as the detectors' ZF-5 (SPPnet, arXiv 1406.4729).

62,357,608 parameters; top-1 / top-5 error of SPPnet's re-implementation, ten crops: 35.99 / 14.76.
"""

import keras

from keras_resnets.layers.within_channel_normalization import WithinChannelNormalization
from keras_resnets.models.caffe_pooling import caffe_max_pooling
from keras_resnets.models.fully_connected import fully_connected
from keras_resnets.models.image_model import check_dropout, image_model
from keras_resnets.models.initializer import FanOutNormal
from keras_resnets.models.naming import named
from keras_resnets.weights.published import resolve


def ZFNet(
    include_top=True,
    weights=None,
    input_tensor=None,
    input_shape=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name="zfnet",
    *,
    dropout_rate=0.5,
):
    """ZF-5: five convolutions with biases and ReLUs, normalization within channels after the first two, fc6, fc7.

    Padding and rounding are SPPnet's (py-faster-rcnn's trunk is padded otherwise): at 224x224 the maps are 110, 55, 26,
    13 and (after the last pooling) 6 pixels wide. The layers `conv1_out` ... `conv5_out` are the convolutions' outputs
    (normalized, for the first two) before pooling. With the classifier, height and width must be given: its first layer
    is as large as the last map.

    Args:
        include_top ... name: as in `keras_resnets.ResNet`; without the classifier, the last map is after pooling. At
            least 47x47.
        dropout_rate: share of the outputs of `fc6` and `fc7` that is dropped in training.

    Returns:
        A `keras.Model` with output (B, classes), or as `pooling` says.

    Raises:
        ArgumentError: (a ValueError) for an argument that cannot work.
    """
    check_dropout(dropout_rate, include_top, default=0.5)

    def convolution(x, filters, kernel_size, name, strides=1, padding="same"):
        layer = keras.layers.Conv2D(
            filters, kernel_size, strides, padding, kernel_initializer=FanOutNormal(), name=f"{name}_conv"
        )
        return keras.layers.Activation("relu", name=f"{name}_relu")(layer(x))

    def trunk(x):
        x = keras.layers.ZeroPadding2D(1, name="conv1_pad")(x)
        x = convolution(x, 96, 7, "conv1", 2, "valid")
        x = caffe_max_pooling(WithinChannelNormalization(name="conv1_out")(x), 3, "pool1")
        x = convolution(x, 256, 5, "conv2", 2, "valid")
        x = caffe_max_pooling(WithinChannelNormalization(name="conv2_out")(x), 3, "pool2")
        for i, filters in [(3, 384), (4, 384), (5, 256)]:
            x = named(convolution(x, filters, 3, f"conv{i}"), f"conv{i}_out")
        return caffe_max_pooling(x, 3, "pool5")

    return image_model(
        trunk,
        include_top=include_top,
        weights=resolve(weights, "zfnet", include_top, classes),
        input_tensor=input_tensor,
        input_shape=input_shape,
        pooling=pooling,
        classes=classes,
        classifier_activation=classifier_activation,
        name=name,
        default_size=224,
        minimum_size=47,
        head=fully_connected(dropout_rate),
        fixed_size=True,
    )
