"""Pre-activation residual nets for ImageNet (He et al., 2016; arXiv 1603.05027).

| net | blocks | parameters | multiply-adds at 224x224 | top-1 / top-5 error of the paper, one crop of 320 |
|---|---|---|---|---|
| ResNet18V2 | 2 2 2 2 | 11,687,720 | 1.81e9 | |
| ResNet34V2 | 3 4 6 3 | 21,795,880 | 3.66e9 | |
| ResNet50V2 | 3 4 6 3 | 25,549,352 | 4.09e9 | |
| ResNet101V2 | 3 4 23 3 | 44,541,480 | 7.80e9 | |
| ResNet152V2 | 3 8 36 3 | 60,185,128 | 11.51e9 | 21.1 / 5.5 |
| ResNet200V2 | 3 24 36 3 | 64,666,152 | 15.01e9 | 20.7 / 5.3 |

keras.applications has other nets of these names: they have their strides in the last unit of a stage, and biases.
"""

from collections.abc import Sequence
from typing import Unpack

import keras

from keras_resnets.errors import check_choice
from keras_resnets.layers.padded_max_pooling import PaddedMaxPooling2D
from keras_resnets.models.blocks import named, positive_integers
from keras_resnets.models.builder import KerasArguments, builder, image_model, variant
from keras_resnets.models.residual import Unit, apply, convolution, stages


@builder("resnet_v2")
def ResNetV2(
    block_counts: Sequence[int],
    filters: Sequence[int],
    *,
    bottleneck: bool = False,
    shortcut: str = "B",
    stride_in: str = "3x3",
    stem: str = "timm",
    **arguments: Unpack[KerasArguments],
) -> keras.Model:
    """A pre-activation residual net with the ImageNet stem (7x7 convolution and max pooling, stride 4).

    Batch normalization and ReLU come before each convolution, not after an addition, and once more after the last
    unit. Projections see the activated map and have no batch normalization (section 5). The layers `conv1_out`,
    `conv2_out`, ... are the stages' sums, before batch normalization and ReLU: strides 2 (before the max pooling), 4,
    8, ... `post_relu` is the last map.

    The default differs from the paper in its first unit, as timm does, whose published weights fit. The paper's
    appendix has the first activation right after conv1, where both paths of that unit see it: that is `stem="paper"`.
    The paper leaves some choices open, which are timm's: the max pooling is padded with minus infinity, and bottlenecks
    have their stride in the 3x3 (`stride_in="1x1"` is the authors' Torch code).

    Args:
        block_counts, filters: see `keras_resnets.ResNet`.
        {keras_arguments}
        bottleneck: see `keras_resnets.ResNet`.
        shortcut: "A", "B" or "C": see `keras_resnets.ResNet`.
        stride_in: "3x3" or "1x1", the convolution of a bottleneck that has the stride.
        stem: "timm": convolution, then max pooling; every unit has its own pre-activation, the first one's before its
            branch only. "paper": convolution, batch normalization, ReLU (then `conv1_out`), and max pooling; the first
            unit of conv2_x has no pre-activation of its own. Both have the same number of parameters.
    """
    block_counts = positive_integers("block_counts", block_counts)
    filters = positive_integers("filters", filters, len(block_counts))
    check_choice("shortcut", shortcut, ["A", "B", "C"])
    check_choice("stem", stem, ["timm", "paper"])
    unit = Unit(shortcut, "full_pre_activation", bottleneck=bottleneck, stride_in=stride_in)

    def trunk(x):
        x = convolution(x, filters[0], 7, "conv1_conv", strides=2)
        x = apply(("bn", "relu"), x, "conv1", "conv1_out") if stem == "paper" else named(x, "conv1_out")
        x = PaddedMaxPooling2D(3, strides=2, padding=1, name="pool1_pool")(x)
        return stages(x, block_counts, filters, unit, "earlier" if stem == "paper" else "branch")

    return image_model(
        trunk,
        arguments,
        minimum_size=2 ** (len(block_counts) + 1),
    )


def _variant(depth, block_counts, bottleneck):
    return variant(
        ResNetV2,
        f"ResNet{depth}V2",
        f"Pre-activation ResNet-{depth}.",
        name=f"resnet{depth}_v2",
        block_counts=block_counts,
        filters=(64, 128, 256, 512),
        bottleneck=bottleneck,
    )


ResNet18V2 = _variant(18, (2, 2, 2, 2), bottleneck=False)
ResNet34V2 = _variant(34, (3, 4, 6, 3), bottleneck=False)
ResNet50V2 = _variant(50, (3, 4, 6, 3), bottleneck=True)
ResNet101V2 = _variant(101, (3, 4, 23, 3), bottleneck=True)
ResNet152V2 = _variant(152, (3, 8, 36, 3), bottleneck=True)
ResNet200V2 = _variant(200, (3, 24, 36, 3), bottleneck=True)
