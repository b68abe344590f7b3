"""Plain and residual nets for CIFAR, with the units that the papers compare.

"Deep Residual Learning for Image Recognition" (He et al., 2015; arXiv 1512.03385, section 4.2):

| depth | n | parameters (option A, 10 classes) | multiply-adds at 32x32 | test error of the paper, % |
|---|---|---|---|---|
| 20 | 3 | 269,722 | 40.6e6 | 8.75 |
| 32 | 5 | 464,154 | 68.9e6 | 7.51 |
| 44 | 7 | 658,586 | 97.2e6 | 7.17 |
| 56 | 9 | 853,018 | 125.5e6 | 6.97 |
| 110 | 18 | 1,727,962 | 252.9e6 | 6.43 |
| 1202 | 200 | 19,421,274 | 2829.2e6 | 7.93 |

"Identity Mappings in Deep Residual Networks" (He et al., 2016; arXiv 1603.05027), pre-activation:

| depth | n | parameters (10 classes) | multiply-adds at 32x32 | test error of the paper, % |
|---|---|---|---|---|
| 110 | 18 | 1,727,962 | 252.9e6 | 6.37 |
| 164 (bottlenecks) | 18 | 1,703,258 | 244.5e6 | 5.46 |
| 1001 (bottlenecks) | 111 | 10,327,706 | 1487.8e6 | 4.92 |
"""

import numbers
from collections.abc import Sequence
from typing import Unpack

import keras

from keras_resnets.errors import ArgumentError
from keras_resnets.models.blocks import global_average, named, pooled_with_dropout, positive_integers
from keras_resnets.models.builder import KerasArguments, builder, image_model, variant
from keras_resnets.models.residual import Unit, apply, convolution, stages

FILTERS = (16, 32, 64)
PRE_ACTIVATION = "full_pre_activation"
FIRST_PRE_ACTIVATED_BOTTLENECK = 164  # the paper's nets of this depth and more are bottlenecks


@builder(size=32, classes=10)
def CifarResNet(
    depth: int,
    *,
    bottleneck: bool | None = None,
    shortcut: str | None = "default",
    activation_order: str = "original",
    layers_per_unit: int = 2,
    zero_gamma: bool = False,
    shortcut_scale: float = 0.5,
    branch_scale: float = 0.5,
    gate_bias: float = -6.0,
    shortcut_dropout: float = 0.5,
    dropout_rate: float = 0.0,
    filters: Sequence[int] = FILTERS,
    **arguments: Unpack[KerasArguments],
) -> keras.Model:
    """A CIFAR residual net: a 3x3 convolution, then three stages of n units with 16, 32 and 64 filters.

    A unit has two 3x3 convolutions at depth 6n+2, and at depth 9n+2 the three convolutions of a bottleneck, which has
    its stride in the first 1x1. The layers `conv1_out` ... `conv4_out` are the outputs of the first convolution and of
    the stages, as the next stage receives them: strides 1, 1, 2, 4. Images have at least 4x4 pixels.

    arXiv 1603.05027 leaves some choices open. Here, with pre-activation, gates, projections and changes of dimension
    see the activated map, as the branch does; projections have batch normalization only where branches end in one.

    Args:
        depth: 6n+2 or 9n+2: 20, 32, 44, 56, 110, 1202, or any other.
        {keras_arguments} By default, that of the registry, such as "cifar_resnet20".
        bottleneck: True for 9n+2, False for 6n+2, None for what fits the depth. If both fit, it is 6n+2; with full
            pre-activation and from depth 164 on, it is 9n+2.
        shortcut: "A", "B" or "C" (see `keras_resnets.ResNet`), None for a plain net, or "constant_scaling",
            "exclusive_gating", "shortcut_only_gating" or "dropout" (arXiv 1603.05027, table 1), which change option A
            in every unit. The default is "A" as in the papers, but "B" for bottlenecks, whose first unit must widen the
            map.
        activation_order: "original", "bn_after_addition", "relu_before_addition", "relu_only_pre_activation" or
            "full_pre_activation" (arXiv 1603.05027, table 2).
        layers_per_unit: 1 for a shortcut around every convolution (table 3, "110 (1layer)"), without bottlenecks.
        zero_gamma: whether to start the last gamma of each residual branch at 0.
        shortcut_scale, branch_scale: the factors of "constant_scaling".
        gate_bias: initial bias of both gatings; the paper tries 0 to -10.
        shortcut_dropout: dropout rate of the shortcut "dropout", in [0, 1).
        dropout_rate: dropout rate of the pooled features, in [0, 1); the papers drop none.
        filters: filters of the 3x3 convolutions of each of the three stages; the first convolution has `filters[0]`.
    """
    units, bottleneck = units_of_depth(depth, bottleneck, activation_order)
    filters = positive_integers("filters", filters, len(FILTERS))
    if shortcut == "default":
        shortcut = "B" if bottleneck else "A"
    unit = Unit(
        shortcut=shortcut,
        activation_order=activation_order,
        bottleneck=bottleneck,
        layers_per_unit=layers_per_unit,
        zero_gamma=zero_gamma,
        shortcut_scale=shortcut_scale,
        branch_scale=branch_scale,
        gate_bias=gate_bias,
        shortcut_dropout=shortcut_dropout,
    )

    def trunk(x):
        x = convolution(x, filters[0], 3, "conv1_conv")
        x = apply(unit.order.stem, x, "conv1", "conv1_out")
        if "relu" not in unit.order.stem:
            x = named(x, "conv1_out")
        return stages(x, 3 * (2 * units // layers_per_unit,), filters, unit, first_preactivation="unit")

    return image_model(
        trunk,
        arguments,
        default_name=f"cifar_{_kind(unit)}{depth}",
        minimum_size=4,
        head=pooled_with_dropout(dropout_rate) if dropout_rate else global_average,
    )


def units_of_depth(depth: int, bottleneck: bool | None, activation_order: str = "original") -> tuple[int, bool]:
    """Returns the number of units of each stage, and whether they are bottlenecks: see `CifarResNet`."""
    layers, whole = {False: 6, True: 9}, isinstance(depth, numbers.Integral)
    if bottleneck is not None:
        kinds = [bool(bottleneck)]
    elif activation_order == PRE_ACTIVATION and whole and depth >= FIRST_PRE_ACTIVATED_BOTTLENECK:
        kinds = [True, False]
    else:
        kinds = [False, True]
    for kind in kinds:
        if whole and depth > 2 and (depth - 2) % layers[kind] == 0:
            return (depth - 2) // layers[kind], kind
    forms = " or ".join(f"{layers[kind]}n+2" for kind in sorted(kinds))
    raise ArgumentError(f"depth={depth!r} must be {forms} with n >= 1, for example 20, 56 or 110.")


def _kind(unit):
    if unit.shortcut is None:
        return "plainnet"
    return "resnet_v2_" if unit.activation_order == PRE_ACTIVATION else "resnet"


CifarPlainNet = variant(
    CifarResNet,
    "CifarPlainNet",
    "A CIFAR plain net: `CifarResNet` without its shortcuts, of any depth 6n+2 (figure 6, left).",
    name=None,
    hidden=(
        "activation_order",
        "layers_per_unit",
        "zero_gamma",
        "shortcut_scale",
        "branch_scale",
        "gate_bias",
        "shortcut_dropout",
    ),
    shortcut=None,
    bottleneck=False,
)
CifarResNetV2 = variant(
    CifarResNet,
    "CifarResNetV2",
    "A CIFAR pre-activation net of depth 6n+2 or 9n+2, with bottlenecks from depth 164 on (arXiv 1603.05027, table 3).",
    name=None,
    hidden=("zero_gamma",),
    activation_order=PRE_ACTIVATION,
)
