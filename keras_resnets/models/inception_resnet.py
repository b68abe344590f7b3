"""Inception-ResNet-v1 and -v2 (Szegedy et al., 2016; arXiv 1602.07261, figures 10 to 19).

| net | parameters | multiply-adds at 299x299 | top-1 / top-5 error of the paper, one crop |
|---|---|---|---|
| InceptionResNetV1 | 22,756,328 | 6.21e9 | 21.3 / 5.5 |
| InceptionResNetV2 | 32,433,928 | 9.26e9 | 19.9 / 4.9 |
| InceptionResNetV2(layout="slim") | 55,843,464 | 13.16e9 | |

A block adds `scale` times a linear 1x1 convolution of its concatenated branches to its input, and ends in a ReLU. The
linear convolution has a bias and no batch normalization, as in TF-slim. The paper says that scales are between 0.1 and
0.3; TF-slim's are 0.17, 0.10 and 0.20.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Unpack

import keras

from keras_resnets.errors import ArgumentError, check_choice
from keras_resnets.initializers import FanOutNormal
from keras_resnets.models.auxiliary_head import auxiliary_classifier
from keras_resnets.models.blocks import named, pooled_with_dropout
from keras_resnets.models.builder import KerasArguments, builder, image_model, variant
from keras_resnets.models.inception import Block, Inception, pool
from keras_resnets.models.inception_v4 import STEM, STEM_35X35, reduction_a
from keras_resnets.models.inception_v4 import stem as stem_of_v4
from keras_resnets.values import is_finite
from keras_resnets.weights.published import resolve

SCALES = (0.17, 0.10, 0.20)


@dataclasses.dataclass(frozen=True)
class Layout:
    """A row of the family.

    Attributes:
        stem: function from (net, image) to the 71x71 map.
        to_35x35: the blocks that lead to the 35x35 map.
        a, b, c: the blocks A, B and C.
        reduction_a, reduction_b: the blocks between them.
        repeats: numbers of the blocks A, B and C.
        last_linear: whether another C ends the net, with scale 1 and without ReLU.
        end: filters of a last 1x1 convolution, or None.
    """

    stem: Callable[[Inception, keras.KerasTensor], keras.KerasTensor]
    to_35x35: tuple[Block, ...]
    a: Block
    reduction_a: Block
    b: Block
    reduction_b: Block
    c: Block
    repeats: tuple[int, int, int] = (5, 10, 5)
    last_linear: bool = False
    end: int | None = None


def _short_stem(net, x):
    """Figure 14, from 299x299 to 71x71x192; TF-slim's Inception-ResNet-v2 has it, too."""
    x = pool(net.stem(x, STEM, "conv1"), "max/2 V", "conv1")
    return net.stem(x, ["1x1,80", "3x3,192 V"], "conv2")


def _reduction_b(first, second, third):
    """Figures 13 and 18, from 17x17 to 8x8."""
    return [
        ["1x1,256", "3x3,384/2 V"],
        ["1x1,256", f"3x3,{first}/2 V"],
        ["1x1,256", f"3x3,{second}", f"3x3,{third}/2 V"],
        ["max/2 V"],
    ]


_V2 = {
    "a": [["1x1,32"], ["1x1,32", "3x3,32"], ["1x1,32", "3x3,48", "3x3,64"]],
    "reduction_a": reduction_a(256, 256, 384, 384),
    "b": [["1x1,192"], ["1x1,128", "1x7,160", "7x1,192"]],
    "reduction_b": _reduction_b(288, 288, 320),
    "c": [["1x1,192"], ["1x1,192", "1x3,224", "3x1,256"]],
}
LAYOUTS = {
    "v1": Layout(
        stem=_short_stem,
        to_35x35=([["3x3,256/2 V"]],),
        a=[["1x1,32"], ["1x1,32", "3x3,32"], ["1x1,32", "3x3,32", "3x3,32"]],
        reduction_a=reduction_a(192, 192, 256, 384),
        b=[["1x1,128"], ["1x1,128", "1x7,128", "7x1,128"]],
        reduction_b=_reduction_b(256, 256, 256),
        c=[["1x1,192"], ["1x1,192", "1x3,192", "3x1,192"]],
    ),
    "paper": Layout(stem=stem_of_v4, to_35x35=(STEM_35X35,), **_V2),
    "slim": Layout(
        stem=_short_stem,
        to_35x35=(
            [["max/2 V"]],
            [["1x1,96"], ["1x1,48", "5x5,64"], ["1x1,64", "3x3,96", "3x3,96"], ["avg", "1x1,64"]],
        ),
        **_V2,
        repeats=(10, 20, 9),
        last_linear=True,
        end=1536,
    ),
}


def residual_block(
    net: Inception,
    x: keras.KerasTensor,
    branches: Block,
    scale: float,
    name: str,
    output: str,
    activate: bool = True,
) -> keras.KerasTensor:
    """x + scale * (1x1 convolution of the concatenated branches), then a ReLU (section 3.3)."""
    y = net.block(x, branches, name, f"{name}_concat")
    y = keras.layers.Conv2D(x.shape[-1], 1, kernel_initializer=FanOutNormal(), name=f"{name}_linear_conv")(y)
    y = keras.layers.Rescaling(scale, name=f"{name}_scale")(y)
    y = keras.layers.Add(name=f"{name}_add" if activate else output)([x, y])
    return keras.layers.Activation("relu", name=output)(y) if activate else y


def _blocks_of_stages(layout, scales):
    """Returns (branches, scale, whether activated) of each block of each stage; the scale of a reduction is None."""
    stages: dict[str, list[tuple[Block, float | None, bool]]] = {
        "conv3": [(branches, None, True) for branches in layout.to_35x35],
        "conv4": [(layout.reduction_a, None, True)],
        "conv5": [(layout.reduction_b, None, True)],
    }
    for stage, branches, repeats, scale in zip(stages, (layout.a, layout.b, layout.c), layout.repeats, scales):
        stages[stage] += repeats * [(branches, scale, True)]
    if layout.last_linear:
        stages["conv5"].append((layout.c, 1.0, False))
    return stages


def _trunk(net, layout, scales):
    def trunk(x):
        x = layout.stem(net, x)
        for stage, blocks in _blocks_of_stages(layout, scales).items():
            for i, (branches, scale, activate) in enumerate(blocks, 1):
                name = f"{stage}_block{i}"
                ends = i == len(blocks) and not (stage == "conv5" and layout.end)
                output = f"{stage}_out" if ends else f"{name}_out"
                if scale is None:
                    x = net.block(x, branches, name, output)
                else:
                    x = residual_block(net, x, branches, scale, name, output, activate)
        if layout.end:
            x = named(net.convolution(x, f"1x1,{layout.end}", "conv5_end"), "conv5_out")
        return x

    return trunk


@builder("inception_resnet_v1", size=299)
def InceptionResNetV1(
    *,
    dropout_rate: float = 0.2,
    residual_scales: Sequence[float] = SCALES,
    width: float = 1.0,
    **arguments: Unpack[KerasArguments],
) -> keras.Model:
    """Inception-ResNet-v1: the short stem, 5 A, reduction A, 10 B, reduction B, 5 C.

    The layers `conv1_out` ... `conv5_out` are the last maps of each size: at 299x299, 147x147x64, 71x71x192,
    35x35x256, 17x17x896 and 8x8x1792. Images have at least 75x75 pixels.

    Args:
        {keras_arguments}
        dropout_rate: dropout rate of the pooled features; the paper keeps 0.8 of them.
        residual_scales: factors of the residual branches in the blocks A, B and C.
        width: factor of the filters of all layers, rounded to the nearest integer. Published weights are for width 1.
    """
    return image_model(
        _trunk(Inception(width=width), LAYOUTS["v1"], _check_scales(residual_scales)),
        arguments,
        minimum_size=75,
        head=pooled_with_dropout(dropout_rate),
    )


@builder(size=299)
def InceptionResNetV2(
    *,
    layout: str = "paper",
    dropout_rate: float = 0.2,
    residual_scales: Sequence[float] = SCALES,
    auxiliary_head: bool = False,
    width: float = 1.0,
    **arguments: Unpack[KerasArguments],
) -> keras.Model:
    """Inception-ResNet-v2 as in the paper, or as in TF-slim, keras.applications and timm, which publish weights.

    The layers `conv1_out` ... `conv5_out` are the last maps of each size: at 299x299, 147x147x64, 71x71x192, and
    35x35x384, 17x17x1152 and 8x8x2144 ("paper") or 35x35x320, 17x17x1088 and 8x8x1536 ("slim"). Images have at least
    75x75 pixels.

    Args:
        {keras_arguments} By default, "inception_resnet_v2" or "inception_resnet_v2_slim".
        layout: "paper": the stem of `InceptionV4`, which has TF-slim's order, 5 A, 10 B, 5 C, with the two misprints of
            the figures corrected (the linear convolutions of B and C have 1152 and 2144 filters). "slim": another stem,
            10 A, 20 B, 10 C (the last with scale 1 and without ReLU), and a 1x1 convolution to 1536 at the end.
        dropout_rate: dropout rate of the pooled features; the paper keeps 0.8 of them.
        residual_scales: factors of the residual branches in the blocks A, B and C.
        auxiliary_head: whether to add TF-slim's second classifier on `conv4_out`. The model then has two outputs.
        width: factor of the filters of all layers, rounded to the nearest integer. Published weights are for width 1.
    """
    names = {"paper": "inception_resnet_v2", "slim": "inception_resnet_v2_slim"}
    check_choice("layout", layout, [*names])
    arguments["weights"] = resolve(arguments["weights"], names[layout], {**arguments, "width": width})
    net = Inception(width=width)
    return image_model(
        _trunk(net, LAYOUTS[layout], _check_scales(residual_scales)),
        arguments,
        default_name=names[layout],
        minimum_size=75,
        head=pooled_with_dropout(dropout_rate),
        extend=auxiliary_classifier(net, arguments) if auxiliary_head else None,
    )


def _check_scales(scales):
    try:
        first, second, third = map(float, scales)
        if not all(map(is_finite, (first, second, third))):
            raise ValueError
    except (TypeError, ValueError):
        raise ArgumentError(f"residual_scales={scales!r} must be three finite numbers, for A, B and C.") from None
    return first, second, third


SLIM = variant(
    InceptionResNetV2,
    'InceptionResNetV2(layout="slim")',
    "Inception-ResNet-v2 as in TF-slim.",
    name="inception_resnet_v2_slim",
    layout="slim",
)
