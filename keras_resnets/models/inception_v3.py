"""Inception-v3 (Szegedy et al., 2015; arXiv 1512.00567) as in keras.applications, whose weights fit.

23,817,352 parameters, 5.71e9 multiply-adds at 299x299; top-1 / top-5 error of the paper, one crop: 21.2 / 5.6.
"""

from typing import Unpack

import keras

from keras_resnets.models.auxiliary_head import auxiliary_classifier
from keras_resnets.models.blocks import global_average, pooled_with_dropout
from keras_resnets.models.builder import KerasArguments, builder, image_model
from keras_resnets.models.inception import Inception, pool


def _35x35(pooled):
    return [
        ["1x1,64"],
        ["1x1,48", "5x5,64"],
        ["1x1,64", "3x3,96", "3x3,96"],
        ["avg", f"1x1,{pooled}"],
    ]


def _17x17(c):
    return [
        ["1x1,192"],
        [f"1x1,{c}", f"1x7,{c}", "7x1,192"],
        [f"1x1,{c}", f"7x1,{c}", f"1x7,{c}", f"7x1,{c}", "1x7,192"],
        ["avg", "1x1,192"],
    ]


TO_17X17 = [["3x3,384/2 V"], ["1x1,64", "3x3,96", "3x3,96/2 V"], ["max/2 V"]]
TO_8X8 = [["1x1,192", "3x3,320/2 V"], ["1x1,192", "1x7,192", "7x1,192", "3x3,192/2 V"], ["max/2 V"]]
_8X8 = [
    ["1x1,320"],
    ["1x1,384", ("1x3,384", "3x1,384")],
    ["1x1,448", "3x3,384", ("1x3,384", "3x1,384")],
    ["avg", "1x1,192"],
]

STAGES = {
    "conv3": [_35x35(32), _35x35(64), _35x35(64)],
    "conv4": [TO_17X17, _17x17(128), _17x17(160), _17x17(160), _17x17(192)],
    "conv5": [TO_8X8, _8X8, _8X8],
}


@builder("inception_v3", size=299)
def InceptionV3(
    *,
    dropout_rate: float = 0.0,
    auxiliary_head: bool = False,
    width: float = 1.0,
    **arguments: Unpack[KerasArguments],
) -> keras.Model:
    """Inception-v3, by default as in keras.applications: without dropout and auxiliary head.

    The paper's net has `auxiliary_head=True`, TF-slim's `dropout_rate=0.2` as well. Batch normalization has no gammas.

    The layers `conv1_out` ... `conv5_out` are the last maps of each size, before pooling: at 299x299, 147x147x64,
    71x71x192, 35x35x288, 17x17x768 and 8x8x2048. Images have at least 75x75 pixels.

    Args:
        {keras_arguments}
        dropout_rate: dropout rate of the pooled features.
        auxiliary_head: whether to add the paper's second classifier, with batch normalization, on `conv4_out`. The
            model then has two outputs.
        width: factor of the filters of all layers, rounded to the nearest integer. Published weights are for width 1.
    """
    net = Inception(gamma=False, width=width)

    def trunk(x):
        x = pool(net.stem(x, ["3x3,32/2 V", "3x3,32 V", "3x3,64"], "conv1"), "max/2 V", "conv1")
        x = pool(net.stem(x, ["1x1,80 V", "3x3,192 V"], "conv2"), "max/2 V", "conv2")
        for stage, blocks in STAGES.items():
            x = net.stage(x, blocks, stage)
        return x

    return image_model(
        trunk,
        arguments,
        minimum_size=75,
        head=pooled_with_dropout(dropout_rate) if dropout_rate else global_average,
        extend=auxiliary_classifier(net, arguments) if auxiliary_head else None,
    )
