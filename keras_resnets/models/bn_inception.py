"""BN-Inception (Ioffe and Szegedy, 2015; arXiv 1502.03167, figure 5), with TF-slim's filters and a plain 7x7 stem.

11,194,984 parameters, 2.02e9 multiply-adds at 224x224; top-1 / top-5 error, one crop: 25.2 / 7.8.
"""

from typing import Unpack

import keras

from keras_resnets.models.blocks import pooled_with_dropout
from keras_resnets.models.builder import KerasArguments, builder, image_model
from keras_resnets.models.inception import Inception, pool


def _branches(a, b, c, d, e, kind, f):
    return [[f"1x1,{a}"], [f"1x1,{b}", f"3x3,{c}"], [f"1x1,{d}", f"3x3,{e}", f"3x3,{e}"], [kind, f"1x1,{f}"]]


def _reduction(b, c, d, e):
    return [[f"1x1,{b}", f"3x3,{c}/2"], [f"1x1,{d}", f"3x3,{e}", f"3x3,{e}/2"], ["max/2"]]


# Filters: 1x1; 3x3 reduce, 3x3; double 3x3 reduce, double 3x3; the pooling and what comes after it.
STAGES = {
    "conv3": [_branches(64, 64, 64, 64, 96, "avg", 32), _branches(64, 64, 96, 64, 96, "avg", 64)],
    "conv4": [
        _reduction(128, 160, 64, 96),
        _branches(224, 64, 96, 96, 128, "avg", 128),
        _branches(192, 96, 128, 96, 128, "avg", 128),
        _branches(160, 128, 160, 128, 160, "avg", 96),
        _branches(96, 128, 192, 160, 192, "avg", 96),
    ],
    "conv5": [
        _reduction(128, 192, 192, 256),
        _branches(352, 192, 320, 160, 224, "avg", 128),
        _branches(352, 192, 320, 192, 224, "max", 128),
    ],
}


@builder("bn_inception")
def BNInception(
    *,
    dropout_rate: float = 0.2,
    width: float = 1.0,
    **arguments: Unpack[KerasArguments],
) -> keras.Model:
    """BN-Inception, also called Inception-v2; all padding is TensorFlow's "same".

    The layers `conv1_out` ... `conv5_out` are the last maps of each size, before pooling: at 224x224, 112x112x64,
    56x56x192, 28x28x320, 14x14x576 and 7x7x1024. Images have at least 32x32 pixels.

    Args:
        {keras_arguments}
        dropout_rate: dropout rate of the pooled features.
        width: factor of the filters of all layers, rounded to the nearest integer. Published weights are for width 1.
    """
    net = Inception(width=width)

    def trunk(x):
        x = pool(net.stem(x, ["7x7,64/2"], "conv1"), "max/2", "conv1")
        x = pool(net.stem(x, ["1x1,64", "3x3,192"], "conv2"), "max/2", "conv2")
        for stage, blocks in STAGES.items():
            x = net.stage(x, blocks, stage)
        return x

    return image_model(
        trunk,
        arguments,
        minimum_size=32,
        head=pooled_with_dropout(dropout_rate),
    )
