"""VGG (Simonyan and Zisserman, 2014; arXiv 1409.1556, table 1, D and E).

| net | parameters | multiply-adds at 224x224 | top-1 / top-5 error, ten crops (arXiv 1512.03385, table 3) |
|---|---|---|---|
| VGG16 | 138,357,544 | 15.47e9 | 28.07 / 9.33 |
| VGG19 | 143,667,240 | 19.63e9 | |
"""

from collections.abc import Sequence
from typing import Unpack

import keras

from keras_resnets.initializers import FanOutNormal
from keras_resnets.models.blocks import fully_connected, last_pooling, positive_integers, scaled_filters
from keras_resnets.models.builder import KerasArguments, builder, image_model, variant

FILTERS = (64, 128, 256, 512, 512)
UNITS_PER_FILTER = 8  # units of fc6 and of fc7 for each filter of conv5


@builder("vgg")
def VGG(
    convolution_counts: Sequence[int],
    *,
    dropout_rate: float = 0.5,
    pyramid: Sequence[int] | None = None,
    width: float = 1.0,
    **arguments: Unpack[KerasArguments],
) -> keras.Model:
    """Stacks of 3x3 convolutions with biases and ReLUs, each followed by a 2x2 max pooling, and three dense layers.

    The layers `conv1_out` ... `conv5_out` are the stacks' outputs before pooling: strides 1, 2, 4, 8, 16. Without the
    classifier, the last map is after pooling. The first layer of the classifier is as large as the last map, so height
    and width must be given, unless there is a pyramid. Images have at least 32x32 pixels.

    Args:
        convolution_counts: number of convolutions of each of the five stacks, e.g. (2, 2, 3, 3, 3).
        {keras_arguments}
        dropout_rate: dropout rate of the outputs of `fc6` and `fc7`.
        pyramid: levels of the `SpatialPyramidPooling` that replaces the last pooling: see `keras_resnets.ZFNet`.
        width: factor of the filters of all layers, rounded to the nearest integer. `fc6` and `fc7` have eight
            times as many units as conv5 has filters. Published weights are for 1.
    """
    convolution_counts = positive_integers("convolution_counts", convolution_counts, len(FILTERS))
    filters_of_stacks = [scaled_filters(filters, width) for filters in FILTERS]

    def trunk(x):
        for i, (count, filters) in enumerate(zip(convolution_counts, filters_of_stacks), 1):
            for j in range(1, count + 1):
                name = f"conv{i}_{j}"
                x = keras.layers.Conv2D(
                    filters, 3, padding="same", kernel_initializer=FanOutNormal(), name=f"{name}_conv"
                )(x)
                x = keras.layers.Activation("relu", name=f"conv{i}_out" if j == count else f"{name}_relu")(x)
            max_pooling = keras.layers.MaxPooling2D(2, name=f"pool{i}")
            x = last_pooling(x, max_pooling, pyramid, arguments["pooling"]) if i == len(FILTERS) else max_pooling(x)
        return x

    return image_model(
        trunk,
        arguments,
        minimum_size=32,
        head=fully_connected(dropout_rate, UNITS_PER_FILTER * filters_of_stacks[-1]),
        fixed_size=pyramid is None,
    )


VGG16 = variant(VGG, "VGG16", "VGG-16 (configuration D).", name="vgg16", convolution_counts=(2, 2, 3, 3, 3))
VGG19 = variant(VGG, "VGG19", "VGG-19 (configuration E).", name="vgg19", convolution_counts=(2, 2, 4, 4, 4))
