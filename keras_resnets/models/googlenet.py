"""GoogLeNet (Szegedy et al., 2014; arXiv 1409.4842, table 1) with batch normalization, as in torchvision.

6,624,904 parameters, 1.50e9 multiply-adds at 224x224; top-5 error of the paper, ten crops: 9.15.
"""

from typing import Unpack

import keras

from keras_resnets.models.blocks import caffe_max_pooling, pooled_with_dropout
from keras_resnets.models.builder import KerasArguments, builder, image_model
from keras_resnets.models.inception import Inception

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


@builder("googlenet")
def GoogLeNet(
    *,
    dropout_rate: float = 0.2,
    width: float = 1.0,
    **arguments: Unpack[KerasArguments],
) -> keras.Model:
    """GoogLeNet with batch normalization, without auxiliary heads: torchvision's, whose weights fit.

    It differs from the paper's net: it has batch normalization, 3x3 convolutions instead of 5x5, a 2x2 pooling before
    the last stage, and half the dropout. The layers `conv1_out` ... `conv5_out` are the last maps of each size, before
    pooling: at 224x224, 112x112x64, 56x56x192, 28x28x480, 14x14x832 and 7x7x1024. Images have at least 32x32 pixels.

    Args:
        {keras_arguments}
        dropout_rate: dropout rate of the pooled features.
        width: factor of the filters of all layers, rounded to the nearest integer. Published weights are for width 1.
    """
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
        arguments,
        minimum_size=32,
        head=pooled_with_dropout(dropout_rate),
    )
