"""Inception-v4 (Szegedy et al., 2016; arXiv 1602.07261, figure 9).

42,679,816 parameters, 12.25e9 multiply-adds at 299x299; top-1 / top-5 error of the paper, one crop: 20.0 / 5.0.
"""

from typing import Unpack

import keras

from keras_resnets.models.auxiliary_head import auxiliary_classifier
from keras_resnets.models.blocks import pooled_with_dropout
from keras_resnets.models.builder import KerasArguments, builder, image_model
from keras_resnets.models.inception import Block, Inception

STEM = ["3x3,32/2 V", "3x3,32 V", "3x3,64"]
STEM_73X73 = [["max/2 V"], ["3x3,96/2 V"]]
STEM_71X71 = [["1x1,64", "3x3,96 V"], ["1x1,64", "1x7,64", "7x1,64", "3x3,96 V"]]
STEM_35X35 = [["3x3,192/2 V"], ["max/2 V"]]
A: Block = [
    ["1x1,96"],
    ["1x1,64", "3x3,96"],
    ["1x1,64", "3x3,96", "3x3,96"],
    ["avg", "1x1,96"],
]
B: Block = [
    ["1x1,384"],
    ["1x1,192", "1x7,224", "7x1,256"],
    ["1x1,192", "7x1,192", "1x7,224", "7x1,224", "1x7,256"],
    ["avg", "1x1,128"],
]
REDUCTION_B: Block = [
    ["1x1,192", "3x3,192/2 V"],
    ["1x1,256", "1x7,256", "7x1,320", "3x3,320/2 V"],
    ["max/2 V"],
]
C: Block = [
    ["1x1,256"],
    ["1x1,384", ("1x3,256", "3x1,256")],
    ["1x1,384", "3x1,448", "1x3,512", ("1x3,256", "3x1,256")],
    ["avg", "1x1,256"],
]


def reduction_a(k: int, l: int, m: int, n: int) -> Block:  # noqa: E741, the letters of the table
    """Figure 7 with the numbers of table 1, from 35x35 to 17x17. The Inception-ResNets have it, too."""
    return [[f"3x3,{n}/2 V"], [f"1x1,{k}", f"3x3,{l}", f"3x3,{m}/2 V"], ["max/2 V"]]


def stem(net: Inception, x: keras.KerasTensor) -> keras.KerasTensor:
    """Figure 3, from 299x299 to 71x71x192, without its end, `STEM_35X35`. Inception-ResNet-v2 has it, too."""
    x = net.stem(x, STEM, "conv1")
    return net.stage(x, [STEM_73X73, STEM_71X71], "conv2")


@builder("inception_v4", size=299)
def InceptionV4(
    *,
    dropout_rate: float = 0.2,
    auxiliary_head: bool = False,
    width: float = 1.0,
    **arguments: Unpack[KerasArguments],
) -> keras.Model:
    """Inception-v4: the stem, 4 A, reduction A, 7 B, reduction B, 3 C.

    The layers `conv1_out` ... `conv5_out` are the last maps of each size: at 299x299, 147x147x64, 71x71x192,
    35x35x384, 17x17x1024 and 8x8x1536. Batch normalization has gammas, as in timm. Images have at least 75x75 pixels.

    The figures and the published code differ in the order of some convolutions. This net has the order of TF-slim and
    timm, whose weights fit: 1x7 before 7x1 in the stem (figure 3 has 7x1 first), 7x1, 1x7, 7x1, 1x7 in the longest
    branch of B (figure 5 has 1x7 first), and 3x1 before 1x3 in that of C (figure 6 has 1x3 first). The other order has
    as many parameters.

    Args:
        {keras_arguments}
        dropout_rate: dropout rate of the pooled features; the paper keeps 0.8 of them.
        auxiliary_head: whether to add TF-slim's second classifier on `conv4_out`. The model then has two outputs.
        width: factor of the filters of all layers, rounded to the nearest integer. Published weights are for width 1.
    """
    net = Inception(width=width)

    def trunk(x):
        x = stem(net, x)
        x = net.stage(x, [STEM_35X35, A, A, A, A], "conv3")
        x = net.stage(x, [reduction_a(192, 224, 256, 384), *7 * [B]], "conv4")
        return net.stage(x, [REDUCTION_B, C, C, C], "conv5")

    return image_model(
        trunk,
        arguments,
        minimum_size=75,
        head=pooled_with_dropout(dropout_rate),
        extend=auxiliary_classifier(net, arguments) if auxiliary_head else None,
    )
