"""GoogLeNet (Szegedy et al., 2014; arXiv 1409.4842, table 1) with batch normalization, as in torchvision.

6,624,904 parameters, 1.50e9 multiply-adds at 224x224; top-5 error of the paper, ten crops: 9.15.
"""

import keras

from keras_resnets.models.blocks import caffe_max_pooling
from keras_resnets.models.builder import check_dropout, image_model
from keras_resnets.models.inception import Inception, pooled_with_dropout
from keras_resnets.weights.published import resolve

# Filters as in table 1: 1x1; 3x3 reduce, 3x3; 5x5 reduce, 5x5; after the pooling.
STAGES = {
    "conv3": [(64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)],
    "conv4": [
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ],
    "conv5": [(256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)],
}


def _branches(a, b, c, d, e, f):
    """Figure 2 (b); torchvision's "5x5" is a 3x3."""
    return [[f"1x1,{a}"], [f"1x1,{b}", f"3x3,{c}"], [f"1x1,{d}", f"3x3,{e}"], ["max", f"1x1,{f}"]]


def GoogLeNet(
    include_top=True,
    weights=None,
    input_tensor=None,
    input_shape=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name="googlenet",
    *,
    dropout_rate=0.2,
    width=1.0,
):
    """GoogLeNet with batch normalization, without auxiliary heads: torchvision's, whose weights fit.

    Against the paper: batch normalization, 3x3 in the place of 5x5, pooling of 2x2 before the last stage, and half the
    dropout. The layers `conv1_out` ... `conv5_out` are the last maps of each size, before pooling: at 224x224,
    112x112x64, 56x56x192, 28x28x480, 14x14x832 and 7x7x1024.

    Args:
        include_top ... name: as in `keras_resnets.ResNet`; at least 32x32.
        dropout_rate: share of the pooled features that is dropped in training.
        width: factor of all filters, which are rounded to the nearest integer, 1 at least; published weights are for 1.

    Returns:
        A `keras.Model` with output (B, classes), or as `pooling` says.

    Raises:
        ArgumentError: (a ValueError) for an argument that cannot work.
    """
    check_dropout(dropout_rate, include_top, default=0.2)
    net = Inception(width=width)

    def trunk(x):
        x = keras.layers.ZeroPadding2D(3, name="conv1_pad")(x)
        x = caffe_max_pooling(net.stem(x, ["7x7,64/2 V"], "conv1"), 3, "pool1")
        x = net.stem(x, ["1x1,64", "3x3,192"], "conv2")
        for stage, pool_size in zip(STAGES, (3, 3, 2)):
            x = caffe_max_pooling(x, pool_size, f"pool{int(stage[-1]) - 1}")
            x = net.stage(x, [_branches(*filters) for filters in STAGES[stage]], stage)
        return x

    return image_model(
        trunk,
        include_top=include_top,
        weights=resolve(weights, "googlenet", include_top, classes, width),
        input_tensor=input_tensor,
        input_shape=input_shape,
        pooling=pooling,
        classes=classes,
        classifier_activation=classifier_activation,
        name=name,
        default_size=224,
        minimum_size=32,
        head=pooled_with_dropout(dropout_rate),
    )
