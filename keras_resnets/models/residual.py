"""The residual unit: every shortcut and every order of activations that the papers study.

"Deep Residual Learning for Image Recognition" (He et al., 2015; arXiv 1512.03385, section 3) and "Identity Mappings in
Deep Residual Networks" (He et al., 2016; arXiv 1603.05027, sections 3 and 4).

A unit adds a shortcut and a branch of convolutions, with batch normalization and a ReLU between the convolutions. Two
tables define the rest: `ACTIVATION_ORDERS` says what comes before the branch, at its end, and after the addition;
`SHORTCUTS` are small functions. `stages` stacks the units of a whole net. Layers are named as in
keras.applications: `conv2_block1_0_conv` is the projection of the first unit of conv2_x, `_1_`, `_2_`, `_3_` are the
layers of its branch, `_preact_` what comes before it.

Shapes: B batch, H and W map size, C channels; tensors are (B, H, W, C), channels last.
"""

import dataclasses
from collections.abc import Sequence

import keras

from keras_resnets.errors import ArgumentError, check_choice
from keras_resnets.initializers import FanOutNormal
from keras_resnets.layers.batch_normalization import BatchNormalization
from keras_resnets.layers.conv2d import Conv2D
from keras_resnets.layers.zero_padded_shortcut import ZeroPaddedShortcut
from keras_resnets.values import FINITE

BOTTLENECK_EXPANSION = 4  # The last 1x1 convolution of a bottleneck has four times the filters of its 3x3.


def convolution(x: keras.KerasTensor, filters: int, kernel_size: int, name: str, strides: int = 1) -> keras.KerasTensor:
    """A convolution before batch normalization: no bias, symmetric padding, He initialization.

    Args:
        x: (B, H, W, C).
        filters: number of filters.
        kernel_size: side of the square kernel, odd.
        name: the layer's name; an explicit padding layer is called `{name minus "conv"}pad`.
        strides: 1 or 2.

    Returns:
        (B, ceil(H / strides), ceil(W / strides), filters).
    """
    padding = "same"
    if strides > 1 and kernel_size > 1:
        # "same" would pad more at the bottom and right than at the top and left; published weights need equal padding.
        x = keras.layers.ZeroPadding2D(kernel_size // 2, name=name.removesuffix("conv") + "pad")(x)
        padding = "valid"
    return Conv2D(filters, kernel_size, strides, padding, use_bias=False, kernel_initializer=FanOutNormal(), name=name)(
        x
    )


def batch_normalization(x: keras.KerasTensor, name: str, zero_gamma: bool = False) -> keras.KerasTensor:
    """Batch normalization with the epsilon and momentum of the authors' Torch code."""
    gamma = "zeros" if zero_gamma else "ones"
    return BatchNormalization(momentum=0.9, epsilon=1e-5, gamma_initializer=gamma, name=name)(x)


def relu(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """A ReLU as a layer with a name."""
    return keras.layers.Activation("relu", name=name)(x)


def apply(
    operations: Sequence[str], x: keras.KerasTensor, prefix: str, output: str | None = None, zero_gamma: bool = False
) -> keras.KerasTensor:
    """Applies "bn" and "relu" in the order of a list.

    Args:
        operations: "bn" and "relu", in order; may be empty.
        x: (B, H, W, C).
        prefix: layers are called `{prefix}_bn` and `{prefix}_relu`.
        output: another name for the ReLU, or None.
        zero_gamma: whether gamma starts at 0.

    Returns:
        (B, H, W, C).
    """
    for operation in operations:
        if operation == "bn":
            x = batch_normalization(x, f"{prefix}_bn", zero_gamma)
        else:
            x = relu(x, output or f"{prefix}_relu")
    return x


@dataclasses.dataclass(frozen=True)
class ActivationOrder:
    """Where a unit has batch normalization and ReLU, besides between its convolutions.

    Attributes:
        before: operations before the first convolution.
        end: operations after the last convolution, before the addition.
        after: operations after the addition.
    """

    before: tuple[str, ...] = ()
    end: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    @property
    def stem(self) -> tuple[str, ...]:
        """The operations after the net's first convolution, so that the units see one batch normalization and ReLU."""
        return tuple(operation for operation in ("bn", "relu") if operation not in self.before)


# Table 2 of arXiv 1603.05027, (a) to (e). `before` also follows the last unit.
ACTIVATION_ORDERS = {
    "original": ActivationOrder(end=("bn",), after=("relu",)),
    "bn_after_addition": ActivationOrder(after=("bn", "relu")),
    "relu_before_addition": ActivationOrder(end=("bn", "relu")),
    "relu_only_pre_activation": ActivationOrder(before=("relu",), end=("bn",)),
    "full_pre_activation": ActivationOrder(before=("bn", "relu")),
}


@dataclasses.dataclass(frozen=True)
class Unit:
    """The kind of unit that a net has.

    Attributes:
        shortcut: a row of `SHORTCUTS`, or None for a plain net.
        activation_order: a row of `ACTIVATION_ORDERS`.
        bottleneck: whether the branch is 1x1, 3x3, 1x1 instead of `layers_per_unit` 3x3 convolutions.
        layers_per_unit: 2, or 1 for the "110 (1layer)" of arXiv 1603.05027, table 3.
        stride_in: "1x1" or "3x3", the convolution of a bottleneck that has the stride.
        zero_gamma: whether the last gamma of each branch starts at 0, so that each unit starts as its shortcut.
        shortcut_scale, branch_scale: factors of "constant_scaling".
        gate_bias: initial bias of the gates.
        shortcut_dropout: dropout rate of "dropout".

    Raises:
        ArgumentError: (a ValueError) for a unit that does not exist.
    """

    shortcut: str | None = "B"
    activation_order: str = "original"
    bottleneck: bool = False
    layers_per_unit: int = 2
    stride_in: str = "1x1"
    zero_gamma: bool = False
    shortcut_scale: float = 0.5
    branch_scale: float = 0.5
    gate_bias: float = -6.0
    shortcut_dropout: float = 0.5

    def __post_init__(self):
        check_choice("shortcut", self.shortcut, [*SHORTCUTS, None])
        check_choice("activation_order", self.activation_order, [*ACTIVATION_ORDERS])
        check_choice("layers_per_unit", self.layers_per_unit, [1, 2])
        check_choice("stride_in", self.stride_in, ["1x1", "3x3"])
        for argument, shortcuts in SHORTCUT_ARGUMENTS.items():
            self._check_shortcut_argument(argument, shortcuts)
        if not 0 <= self.shortcut_dropout < 1:
            raise ArgumentError(f"shortcut_dropout={self.shortcut_dropout!r} must be in [0, 1).")
        if self.bottleneck and self.layers_per_unit != 2:
            raise ArgumentError("layers_per_unit=1 has no bottleneck: pass bottleneck=False.")
        if self.shortcut is None and self.activation_order != "original":
            raise ArgumentError(f"activation_order={self.activation_order!r} needs shortcuts: use a residual net.")
        if self.zero_gamma and self.shortcut is None:
            raise ArgumentError("zero_gamma=True would make a net without shortcuts constant: leave one of them out.")
        if self.zero_gamma and self.order.end != ("bn",):
            raise ArgumentError(
                f"zero_gamma=True cannot be with activation_order={self.activation_order!r}, whose branches do not end "
                "in batch normalization: leave it out."
            )

    def _check_shortcut_argument(self, argument, shortcuts):
        value, default = getattr(self, argument), getattr(type(self), argument)
        FINITE.check(argument, value)
        if value != default and self.shortcut not in shortcuts:
            raise ArgumentError(
                f"{argument}={value!r} has no effect with shortcut={self.shortcut!r}: it is for "
                f"{' and '.join(map(repr, shortcuts))}; leave it out."
            )

    @property
    def order(self) -> ActivationOrder:
        """The unit's `ActivationOrder`."""
        return ACTIVATION_ORDERS[self.activation_order]

    def convolutions(self, filters: int, strides: int) -> list[tuple[int, int, int]]:
        """Returns (filters, kernel size, strides) of each convolution of a branch."""
        if self.bottleneck:
            strides_1x1, strides_3x3 = (strides, 1) if self.stride_in == "1x1" else (1, strides)
            return [
                (filters, 1, strides_1x1),
                (filters, 3, strides_3x3),
                (BOTTLENECK_EXPANSION * filters, 1, 1),
            ]
        return [(filters, 3, strides), (filters, 3, 1)][: self.layers_per_unit]


@dataclasses.dataclass(frozen=True)
class Junction:
    """What a shortcut is made from.

    Attributes:
        x: the unit's input.
        activated: the unit's input after `ActivationOrder.before`, which the first convolution of the branch, the
            convolutions of a shortcut, and changes of dimension see.
        branch: the branch's output.
        strides: 1 or 2.
        unit: the `Unit`.
        name: prefix of the unit's layers.
    """

    x: keras.KerasTensor
    activated: keras.KerasTensor
    branch: keras.KerasTensor
    strides: int
    unit: Unit
    name: str

    @property
    def filters(self) -> int:
        """Channels of the branch's output."""
        return self.branch.shape[-1]

    @property
    def fits(self) -> bool:
        """Whether the input and the branch have the same shape."""
        return self.strides == 1 and self.x.shape[-1] == self.filters

    def identity(self) -> keras.KerasTensor:
        """The input; where dimensions grow, every second activated pixel and zero channels. It has no parameters."""
        if self.fits:
            return self.x
        return ZeroPaddedShortcut(self.filters, self.strides, name=f"{self.name}_0_pad")(self.activated)

    def projection(self) -> keras.KerasTensor:
        """A 1x1 convolution, with batch normalization if the branch ends in one."""
        x = convolution(self.activated, self.filters, 1, f"{self.name}_0_conv", self.strides)
        return batch_normalization(x, f"{self.name}_0_bn") if "bn" in self.unit.order.end else x

    def gate(self) -> keras.KerasTensor:
        """g(x) = sigmoid(W x + b), a value for each channel and pixel (section 3.1 of arXiv 1603.05027)."""
        return Conv2D(
            self.filters,
            1,
            self.strides,
            activation="sigmoid",
            kernel_initializer=FanOutNormal(),
            bias_initializer=keras.initializers.Constant(self.unit.gate_bias),
            name=f"{self.name}_gate_conv",
        )(self.activated)

    def carry(self, gate: keras.KerasTensor) -> keras.KerasTensor:
        """(1 - g(x)) times the identity."""
        carried = keras.layers.Rescaling(-1.0, 1.0, name=f"{self.name}_carry_scale")(gate)
        return keras.layers.Multiply(name=f"{self.name}_0_gated")([carried, self.identity()])


Terms = tuple[keras.KerasTensor, keras.KerasTensor]  # shortcut and branch, which are added


def zero_padded_shortcut(junction: Junction) -> Terms:
    """Option A: identity; where dimensions grow, every second pixel and zero channels at the end."""
    return junction.identity(), junction.branch


def projection_where_needed(junction: Junction) -> Terms:
    """Option B: a 1x1 projection where dimensions grow, identity elsewhere."""
    return junction.x if junction.fits else junction.projection(), junction.branch


def projection(junction: Junction) -> Terms:
    """Option C: a 1x1 projection in every unit (the "1x1 conv shortcut" of arXiv 1603.05027)."""
    return junction.projection(), junction.branch


def constant_scaling(junction: Junction) -> Terms:
    """Factors on the identity and on the branch."""
    unit, name = junction.unit, junction.name
    shortcut = keras.layers.Rescaling(unit.shortcut_scale, name=f"{name}_0_scale")(junction.identity())
    return shortcut, keras.layers.Rescaling(unit.branch_scale, name=f"{name}_branch_scale")(junction.branch)


def exclusive_gating(junction: Junction) -> Terms:
    """1 - g(x) on the identity, g(x) on the branch, as in Highway Networks."""
    gate = junction.gate()
    branch = keras.layers.Multiply(name=f"{junction.name}_branch_gated")([gate, junction.branch])
    return junction.carry(gate), branch


def shortcut_only_gating(junction: Junction) -> Terms:
    """1 - g(x) on the identity."""
    return junction.carry(junction.gate()), junction.branch


def dropout(junction: Junction) -> Terms:
    """Dropout on the identity. Keras scales the remaining values up in training; the paper's Caffe did not."""
    rate, name = junction.unit.shortcut_dropout, f"{junction.name}_0_dropout"
    return keras.layers.Dropout(rate, name=name)(junction.identity()), junction.branch


# A, B, C: section 3.3 and table 3 of arXiv 1512.03385. The others: table 1 of arXiv 1603.05027, over option A, in
# every unit. The paper does not explain the two changes of dimension: there, gates have the stride.
SHORTCUTS = {
    "A": zero_padded_shortcut,
    "B": projection_where_needed,
    "C": projection,
    "constant_scaling": constant_scaling,
    "exclusive_gating": exclusive_gating,
    "shortcut_only_gating": shortcut_only_gating,
    "dropout": dropout,
}
# The shortcuts that have an argument of their own.
SHORTCUT_ARGUMENTS = {
    "shortcut_scale": ("constant_scaling",),
    "branch_scale": ("constant_scaling",),
    "gate_bias": ("exclusive_gating", "shortcut_only_gating"),
    "shortcut_dropout": ("dropout",),
}


def residual_unit(
    x: keras.KerasTensor,
    filters: int,
    strides: int,
    unit: Unit,
    name: str,
    output: str,
    preactivation: str = "branch",
) -> keras.KerasTensor:
    """One unit.

    Args:
        x: (B, H, W, C).
        filters: filters of its 3x3 convolutions.
        strides: 1 or 2.
        unit: the `Unit`.
        name: prefix of the layers.
        output: name of the last layer.
        preactivation: where `unit.order.before` is applied: before the "branch" only; before the "unit", so that the
            identity sees it, too; or "earlier", so that `x` has it already.

    Returns:
        (B, ceil(H / strides), ceil(W / strides), filters), four times the filters for bottlenecks.
    """
    order = unit.order
    y = activated = x if preactivation == "earlier" else apply(order.before, x, f"{name}_preact")
    convolutions = unit.convolutions(filters, strides)
    for i, (width, kernel_size, step) in enumerate(convolutions, 1):
        y = convolution(y, width, kernel_size, f"{name}_{i}_conv", step)
        last = i == len(convolutions)
        y = apply(order.end if last else ("bn", "relu"), y, f"{name}_{i}", zero_gamma=last and unit.zero_gamma)
    if unit.shortcut is not None:
        junction = Junction(activated if preactivation == "unit" else x, activated, y, strides, unit, name)
        add = keras.layers.Add(name=f"{name}_add" if order.after else output)
        y = add([*SHORTCUTS[unit.shortcut](junction)])
    return apply(order.after, y, name, output)


def stages(
    x: keras.KerasTensor,
    block_counts: Sequence[int],
    filters: Sequence[int],
    unit: Unit,
    first_preactivation: str = "branch",
) -> keras.KerasTensor:
    """Stacks of residual units, called conv2, conv3, ...; each stack has maps of half the size of the one before.

    The last layer of a stack is called `conv2_out`, `conv3_out`, ...

    Args:
        x: (B, H, W, C), the stem's output.
        block_counts: number of units of each stack.
        filters: filters of the 3x3 convolutions of each stack.
        unit: the `Unit`.
        first_preactivation: the very first unit's `preactivation`: see `residual_unit`.

    Returns:
        (B, h, w, filters[-1]), four times the filters for bottlenecks; h is H halved, rounding up, at every stack but
        the first. The map is activated: `unit.order.before` follows pre-activation units.
    """
    for i, (units, width) in enumerate(zip(block_counts, filters)):
        stage = f"conv{i + 2}"
        for j in range(1, units + 1):
            name = f"{stage}_block{j}"
            strides = 2 if i > 0 and j == 1 else 1
            output = f"{stage}_out" if j == units else f"{name}_out"
            preactivation = first_preactivation if i == 0 and j == 1 else "branch"
            x = residual_unit(x, width, strides, unit, name, output, preactivation)
    return apply(unit.order.before, x, "post")
