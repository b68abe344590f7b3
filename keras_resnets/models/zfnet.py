"""The net of Zeiler and Fergus (2013; arXiv 1311.2901, figure 3) as ZF-5, which detectors use (arXiv 1406.4729).

| net | parameters | top-1 / top-5 error of SPPnet's re-implementation, ten crops |
|---|---|---|
| ZFNet | 62,357,608 | 35.99 / 14.76 |
| with a pyramid of 50 bins | 77,037,672 | 34.98 / 14.14 |
"""

import dataclasses
from collections.abc import Sequence
from typing import Unpack

import keras

from keras_resnets.errors import check_choice
from keras_resnets.initializers import FanOutNormal
from keras_resnets.layers.within_channel_normalization import WithinChannelNormalization
from keras_resnets.models.blocks import caffe_max_pooling, fully_connected, last_pooling, named, scaled_filters
from keras_resnets.models.builder import KerasArguments, builder, image_model, variant

FILTERS = (96, 256, 384, 384, 256)
UNITS_PER_FILTER = 16  # units of fc6 and of fc7 for each filter of conv5


@dataclasses.dataclass(frozen=True)
class Paddings:
    """Zeros around the maps of each of the first two convolutions, and of the poolings after them."""

    convolutions: tuple[int, int]
    pooling: int


PADDINGS = {"sppnet": Paddings((1, 0), 0), "faster_rcnn": Paddings((3, 2), 1)}


@builder("zfnet")
def ZFNet(
    *,
    dropout_rate: float = 0.5,
    padding: str = "sppnet",
    pyramid: Sequence[int] | None = None,
    width: float = 1.0,
    **arguments: Unpack[KerasArguments],
) -> keras.Model:
    """ZF-5: five convolutions with biases and ReLUs, normalization within channels after the first two, fc6, fc7.

    Padding and rounding are SPPnet's: at 224x224 the maps are 110, 55, 26, 13 and (after the last pooling) 6 pixels
    wide. The layers `conv1_out` ... `conv5_out` are the convolutions' outputs (normalized, for the first two) before
    pooling. Without the classifier, the last map is after pooling. The first layer of the classifier is as large as the
    last map, so height and width must be given, unless there is a pyramid. Images have at least 47x47 pixels.

    Args:
        {keras_arguments}
        dropout_rate: dropout rate of the outputs of `fc6` and `fc7`.
        padding: "sppnet", or "faster_rcnn" for the trunk of py-faster-rcnn's detector, which is padded by 3, 1, 2 and 1
            pixels in the first two convolutions and poolings.
        pyramid: levels of a `SpatialPyramidPooling` that replaces the last pooling, so that images may have any size:
            (1, 2, 3, 6) makes the paper's vector of 50 bins, 12,800 values. Without the classifier, this vector is the
            output. None for no pyramid.
        width: factor of the filters of all layers, rounded to the nearest integer. `fc6` and `fc7` have 16
            times as many units as conv5 has filters.
    """
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
        return last_pooling(x, lambda x: caffe_max_pooling(x, 3, "pool5"), pyramid, arguments["pooling"])

    return image_model(
        trunk,
        arguments,
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
