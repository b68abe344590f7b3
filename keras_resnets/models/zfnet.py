"""The net of Zeiler and Fergus (2013; arXiv 1311.2901, figure 3), as the detectors' ZF-5 (SPPnet, arXiv 1406.4729).

| net | parameters | top-1 / top-5 error of SPPnet's re-implementation, ten crops |
|---|---|---|
| ZFNet | 62,357,608 | 35.99 / 14.76 |
| with a pyramid of 50 bins | 77,037,672 | 34.98 / 14.14 |
"""

import dataclasses

import keras

from keras_resnets.initializers import FanOutNormal
from keras_resnets.layers.within_channel_normalization import WithinChannelNormalization
from keras_resnets.models.blocks import caffe_max_pooling, fully_connected, last_pooling, named
from keras_resnets.models.builder import check_dropout, image_model, variant
from keras_resnets.models.residual import check_choice
from keras_resnets.models.width import scaled_filters
from keras_resnets.weights.published import resolve

FILTERS = (96, 256, 384, 384, 256)
UNITS_PER_FILTER = 16  # units of fc6 and of fc7 for each filter of conv5


@dataclasses.dataclass(frozen=True)
class Paddings:
    """Zeros around the maps: of the first two convolutions, each, and of the poolings after them."""

    convolutions: tuple[int, int]
    pooling: int


PADDINGS = {"sppnet": Paddings((1, 0), 0), "faster_rcnn": Paddings((3, 2), 1)}


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
    padding="sppnet",
    pyramid=None,
    width=1.0,
):
    """ZF-5: five convolutions with biases and ReLUs, normalization within channels after the first two, fc6, fc7.

    Padding and rounding are SPPnet's: at 224x224 the maps are 110, 55, 26, 13 and (after the last pooling) 6 pixels
    wide. The layers `conv1_out` ... `conv5_out` are the convolutions' outputs
    (normalized, for the first two) before pooling. With the classifier and without a pyramid, height and width must be
    given: its first layer is as large as the last map.

    Args:
        include_top ... name: as in `keras_resnets.ResNet`; without the classifier, the last map is after pooling. At
            least 47x47.
        dropout_rate: share of the outputs of `fc6` and `fc7` that is dropped in training.
        padding: "sppnet", or "faster_rcnn" for the trunk of py-faster-rcnn's detector, which is padded by 3, 1, 2 and 1
            pixels in the first two convolutions and poolings.
        pyramid: levels of the `SpatialPyramidPooling` that takes the place of the last pooling, so that images may have
            any size: (1, 2, 3, 6) makes the paper's vector of 50 bins, 12,800 values. Without the classifier, this
            vector is the output. None for none.
        width: factor of all filters, which are rounded to the nearest integer, 1 at least; `fc6` and `fc7` have 16
            times as many units as conv5 has filters.

    Returns:
        A `keras.Model` with output (B, classes), or as `pooling` says.

    Raises:
        ArgumentError: (a ValueError) for an argument that cannot work.
    """
    check_dropout(dropout_rate, include_top, default=0.5)
    check_choice("padding", padding, [*PADDINGS])
    paddings = PADDINGS[padding]
    filters = [scaled_filters(count, width) for count in FILTERS]

    def convolution(x, i, kernel_size, strides=1, padding="same"):
        layer = keras.layers.Conv2D(
            filters[i - 1], kernel_size, strides, padding, kernel_initializer=FanOutNormal(), name=f"conv{i}_conv"
        )
        return keras.layers.Activation("relu", name=f"conv{i}_relu")(layer(x))

    def trunk(x):
        for i, kernel_size in [(1, 7), (2, 5)]:
            if paddings.convolutions[i - 1]:
                x = keras.layers.ZeroPadding2D(paddings.convolutions[i - 1], name=f"conv{i}_pad")(x)
            x = convolution(x, i, kernel_size, 2, "valid")
            x = WithinChannelNormalization(name=f"conv{i}_out")(x)
            x = caffe_max_pooling(x, 3, f"pool{i}", paddings.pooling)
        for i in (3, 4, 5):
            x = named(convolution(x, i, 3), f"conv{i}_out")
        return last_pooling(x, lambda x: caffe_max_pooling(x, 3, "pool5"), pyramid, pooling)

    return image_model(
        trunk,
        include_top=include_top,
        weights=resolve(weights, "zfnet", include_top, classes, width),
        input_tensor=input_tensor,
        input_shape=input_shape,
        pooling=pooling,
        classes=classes,
        classifier_activation=classifier_activation,
        name=name,
        default_size=224,
        minimum_size=47,
        head=fully_connected(dropout_rate, UNITS_PER_FILTER * filters[-1]),
        fixed_size=pyramid is None,
    )


SPP = variant(
    ZFNet,
    "ZFNet(pyramid=(1, 2, 3, 6))",
    "ZF-5 with a spatial pyramid of 50 bins.",
    name="zfnet_spp",
    pyramid=(1, 2, 3, 6),
)
