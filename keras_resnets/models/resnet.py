"""Plain nets and residual nets for ImageNet (He et al., 2015; arXiv 1512.03385, table 1), versions 1 and 1.5.

| net | blocks | parameters | multiply-adds at 224x224 | top-1 / top-5 error of the paper, ten crops |
|---|---|---|---|---|
| PlainNet18 | 2 2 2 2 | 11,515,688 | 1.79e9 | 27.94 / - |
| PlainNet34 | 3 4 6 3 | 21,623,848 | 3.64e9 | 28.54 / 10.02 |
| ResNet18 | 2 2 2 2 | 11,689,512 | 1.81e9 | 27.88 / - (option A) |
| ResNet34 | 3 4 6 3 | 21,797,672 | 3.66e9 | 24.52 / 7.46 |
| ResNet50 | 3 4 6 3 | 25,557,032 | 3.86e9 (v1.5: 4.09e9) | 22.85 / 6.71 |
| ResNet101 | 3 4 23 3 | 44,549,160 | 7.57e9 (v1.5: 7.80e9) | 21.75 / 6.05 |
| ResNet152 | 3 8 36 3 | 60,192,808 | 11.28e9 (v1.5: 11.51e9) | 21.43 / 5.71 |
| ResNet200 | 3 24 36 3 | 64,673,832 | 14.78e9 | 21.8 / 6.0 (one crop of 320) |

Version 1 has the stride of a bottleneck in its first 1x1 convolution, as the paper's released nets and
keras.applications have it; version 1.5 has it in the 3x3, as the authors' Torch code and torchvision. The weights of
one version do not serve the other, although every tensor fits. ResNet-200 is from He et al., 2016 (arXiv 1603.05027,
table 5).
"""

from collections.abc import Sequence
from typing import Any, Unpack

import keras

from keras_resnets.errors import check_choice
from keras_resnets.models.blocks import positive_integers
from keras_resnets.models.builder import KerasArguments, builder, image_model, variant
from keras_resnets.models.residual import Unit, apply, convolution, stages


@builder("resnet")
def ResNet(
    block_counts: Sequence[int],
    filters: Sequence[int],
    *,
    bottleneck: bool = False,
    shortcut: str | None = "B",
    stride_in: str = "1x1",
    zero_gamma: bool = False,
    **arguments: Unpack[KerasArguments],
) -> keras.Model:
    """A residual net with the ImageNet stem (7x7 convolution and max pooling, stride 4), version 1 or 1.5.

    The input is (B, H, W, C), float, as `keras_resnets.preprocessing` makes it. The layers `conv1_out`, `conv2_out`,
    ... are the outputs of the stages: strides 2 (before the max pooling), 4, 8, ...

    Choices that the paper leaves open: the stem's padding is symmetric, zeros for the convolution and (harmless after
    a ReLU) for the max pooling; batch normalization has epsilon 1e-5 and momentum 0.9; convolutions start from
    N(0, 2 / (k * k * filters)), without bias.

    Args:
        block_counts: residual units of each stage, e.g. (3, 4, 6, 3).
        filters: filters of the 3x3 convolutions of each stage, e.g. (64, 128, 256, 512). The stem has `filters[0]`.
        {keras_arguments}
        bottleneck: whether units are 1x1, 3x3, 1x1 (with four times the filters at their end) instead of two 3x3.
        shortcut: "A" (zero-padded identity), "B" (projection where dimensions grow), "C" (projection in every unit),
            or None for a plain net, without shortcuts.
        stride_in: "1x1" (version 1) or "3x3" (version 1.5), the convolution of a bottleneck that has the stride.
        zero_gamma: whether to start the last gamma of each residual branch at 0 (arXiv 1706.02677, section 5.1).
    """
    block_counts = positive_integers("block_counts", block_counts)
    filters = positive_integers("filters", filters, len(block_counts))
    check_choice("shortcut", shortcut, ["A", "B", "C", None])
    unit = Unit(shortcut, bottleneck=bottleneck, stride_in=stride_in, zero_gamma=zero_gamma)

    def trunk(x):
        x = apply(("bn", "relu"), convolution(x, filters[0], 7, "conv1_conv", strides=2), "conv1", "conv1_out")
        x = keras.layers.ZeroPadding2D(1, name="pool1_pad")(x)
        x = keras.layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)
        return stages(x, block_counts, filters, unit)

    return image_model(
        trunk,
        arguments,
        minimum_size=2 ** (len(block_counts) + 1),
    )


Row = dict[str, Any]
_FILTERS = (64, 128, 256, 512)
_18: Row = {"block_counts": (2, 2, 2, 2), "filters": _FILTERS, "bottleneck": False}
_34: Row = {"block_counts": (3, 4, 6, 3), "filters": _FILTERS, "bottleneck": False}
_50: Row = {"block_counts": (3, 4, 6, 3), "filters": _FILTERS, "bottleneck": True}
_101: Row = {"block_counts": (3, 4, 23, 3), "filters": _FILTERS, "bottleneck": True}
_152: Row = {"block_counts": (3, 8, 36, 3), "filters": _FILTERS, "bottleneck": True}
_200: Row = {"block_counts": (3, 24, 36, 3), "filters": _FILTERS, "bottleneck": True}

PlainNet18 = variant(
    ResNet,
    "PlainNet18",
    "The 18-layer plain net (table 2).",
    name="plainnet18",
    hidden=("stride_in", "zero_gamma"),
    **_18,
    shortcut=None,
)
PlainNet34 = variant(
    ResNet,
    "PlainNet34",
    "The 34-layer plain net (figure 3, middle).",
    name="plainnet34",
    hidden=("stride_in", "zero_gamma"),
    **_34,
    shortcut=None,
)
ResNet18 = variant(ResNet, "ResNet18", "ResNet-18.", name="resnet18", hidden=("stride_in",), **_18)
ResNet34 = variant(ResNet, "ResNet34", "ResNet-34 (figure 3, right).", name="resnet34", hidden=("stride_in",), **_34)
ResNet50 = variant(ResNet, "ResNet50", "ResNet-50, version 1.", name="resnet50", **_50, stride_in="1x1")
ResNet101 = variant(ResNet, "ResNet101", "ResNet-101, version 1.", name="resnet101", **_101, stride_in="1x1")
ResNet152 = variant(ResNet, "ResNet152", "ResNet-152, version 1.", name="resnet152", **_152, stride_in="1x1")
ResNet200 = variant(ResNet, "ResNet200", "ResNet-200, version 1.", name="resnet200", **_200, stride_in="1x1")
ResNet50V1_5 = variant(ResNet, "ResNet50V1_5", "ResNet-50, version 1.5.", name="resnet50_v1_5", **_50, stride_in="3x3")
ResNet101V1_5 = variant(
    ResNet, "ResNet101V1_5", "ResNet-101, version 1.5.", name="resnet101_v1_5", **_101, stride_in="3x3"
)
ResNet152V1_5 = variant(
    ResNet, "ResNet152V1_5", "ResNet-152, version 1.5.", name="resnet152_v1_5", **_152, stride_in="3x3"
)
