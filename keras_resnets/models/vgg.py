"""VGG (Simonyan and Zisserman, 2014; arXiv 1409.1556, table 1, D and E).

| net | parameters | multiply-adds at 224x224 | top-1 / top-5 error, ten crops (arXiv 1512.03385, table 3) |
|---|---|---|---|
| VGG16 | 138,357,544 | 15.47e9 | 28.07 / 9.33 |
| VGG19 | 143,667,240 | 19.63e9 | |
"""

import keras

from keras_resnets.errors import ArgumentError
from keras_resnets.initializers import FanOutNormal
from keras_resnets.models.blocks import fully_connected, last_pooling
from keras_resnets.models.builder import check_dropout, image_model, variant
from keras_resnets.models.width import scaled_filters

FILTERS = (64, 128, 256, 512, 512)
UNITS_PER_FILTER = 8  # units of fc6 and of fc7 for each filter of conv5


def VGG(
    convolution_counts,
    include_top=True,
    weights=None,
    input_tensor=None,
    input_shape=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name="vgg",
    *,
    dropout_rate=0.5,
    pyramid=None,
    width=1.0,
):
    """Stacks of 3x3 convolutions with biases and ReLUs, each followed by a 2x2 max pooling, and three dense layers.

    The layers `conv1_out` ... `conv5_out` are the stacks' outputs before pooling: strides 1, 2, 4, 8, 16. With the
    classifier and without a pyramid, height and width must be given: its first layer is as large as the last map.

    Args:
        convolution_counts: convolutions of each of the five stacks, e.g. (2, 2, 3, 3, 3).
        include_top ... name: as in `keras_resnets.ResNet`; without the classifier, the last map is after pooling.
        dropout_rate: share of the outputs of `fc6` and `fc7` that is dropped in training.
        pyramid: levels of the `SpatialPyramidPooling` that takes the place of the last pooling, as of `ZFNet`.
        width: factor of all filters, which are rounded to the nearest integer, 1 at least; `fc6` and `fc7` have eight
            times as many units as conv5 has filters. Published weights are for 1.

    Returns:
        A `keras.Model` with output (B, classes), or as `pooling` says.

    Raises:
        ArgumentError: (a ValueError) for an argument that cannot work.
    """
    check_dropout(dropout_rate, include_top, default=0.5)
    convolution_counts = tuple(convolution_counts)
    if len(convolution_counts) != len(FILTERS) or min(convolution_counts) < 1:
        raise ArgumentError(f"convolution_counts={convolution_counts} must be five positive numbers, one a stack.")
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
            x = last_pooling(x, max_pooling, pyramid, pooling) if i == len(FILTERS) else max_pooling(x)
        return x

    return image_model(
        trunk,
        include_top=include_top,
        weights=weights,
        input_tensor=input_tensor,
        input_shape=input_shape,
        pooling=pooling,
        classes=classes,
        classifier_activation=classifier_activation,
        name=name,
        default_size=224,
        minimum_size=32,
        head=fully_connected(dropout_rate, UNITS_PER_FILTER * filters_of_stacks[-1]),
        fixed_size=pyramid is None,
    )


VGG16 = variant(VGG, "VGG16", "VGG-16 (configuration D).", name="vgg16", convolution_counts=(2, 2, 3, 3, 3))
VGG19 = variant(VGG, "VGG19", "VGG-19 (configuration E).", name="vgg19", convolution_counts=(2, 2, 4, 4, 4))
