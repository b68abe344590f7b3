"""The residual unit of "Deep Residual Learning for Image Recognition" (He et al., 2015; arXiv 1512.03385, section 3).

A unit computes `relu(shortcut(x) + branch(x))`. Both parts are small functions in tables, `SHORTCUTS` and the two
branches; `stages` stacks the units of a whole net. Layers are named as in keras.applications:
`conv2_block1_0_conv` is the projection of the first unit of conv2_x, `_1_`, `_2_`, `_3_` are the layers of its branch.

Shapes: B batch, H and W map size, C channels; tensors are (B, H, W, C), channels last.
"""

import keras

from keras_resnets.errors import ArgumentError
from keras_resnets.layers.zero_padded_shortcut import ZeroPaddedShortcut
from keras_resnets.models.initializer import FanOutNormal

BOTTLENECK_EXPANSION = 4  # The last 1x1 convolution of a bottleneck has four times the filters of its 3x3.


def convolution(x, filters, kernel_size, name, strides=1):
    """A convolution before batch normalization: no bias, symmetric padding, He initialisation.

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
        # "same" would pad more at the bottom and right than at the top and left; published weights need both alike.
        x = keras.layers.ZeroPadding2D(kernel_size // 2, name=name.removesuffix("conv") + "pad")(x)
        padding = "valid"
    return keras.layers.Conv2D(
        filters, kernel_size, strides, padding, use_bias=False, kernel_initializer=FanOutNormal(), name=name
    )(x)


def batch_normalization(x, name, zero_gamma=False):
    """Batch normalization with the epsilon and momentum of the authors' Torch code."""
    gamma = "zeros" if zero_gamma else "ones"
    return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, gamma_initializer=gamma, name=name)(x)


def conv_bn(x, filters, kernel_size, prefix, strides=1, zero_gamma=False):
    """Convolution and batch normalization, named `{prefix}_conv` and `{prefix}_bn`."""
    x = convolution(x, filters, kernel_size, f"{prefix}_conv", strides)
    return batch_normalization(x, f"{prefix}_bn", zero_gamma)


def relu(x, name):
    """A ReLU as a layer with a name."""
    return keras.layers.Activation("relu", name=name)(x)


def basic_branch(x, filters, strides, stride_in, name, zero_gamma):
    """Two 3x3 convolutions (figure 5, left); the stride is in the first, whatever `stride_in` says."""
    x = relu(conv_bn(x, filters, 3, f"{name}_1", strides), f"{name}_1_relu")
    return conv_bn(x, filters, 3, f"{name}_2", zero_gamma=zero_gamma)


def bottleneck_branch(x, filters, strides, stride_in, name, zero_gamma):
    """1x1, 3x3, 1x1 convolutions (figure 5, right), the stride in the first 1x1 (v1) or in the 3x3 (v1.5)."""
    strides_1x1, strides_3x3 = (strides, 1) if stride_in == "1x1" else (1, strides)
    x = relu(conv_bn(x, filters, 1, f"{name}_1", strides_1x1), f"{name}_1_relu")
    x = relu(conv_bn(x, filters, 3, f"{name}_2", strides_3x3), f"{name}_2_relu")
    return conv_bn(x, BOTTLENECK_EXPANSION * filters, 1, f"{name}_3", zero_gamma=zero_gamma)


def projection(x, filters, strides, name):
    """Option C: a 1x1 convolution with batch normalization, whether dimensions grow or not."""
    return conv_bn(x, filters, 1, f"{name}_0", strides)


def fits(x, filters, strides):
    """Whether `x` can be added to the branch's output as it is."""
    return strides == 1 and x.shape[-1] == filters


def zero_padded_shortcut(x, filters, strides, name):
    """Option A: identity; where dimensions grow, every second pixel and zero channels at the end. No parameters."""
    return x if fits(x, filters, strides) else ZeroPaddedShortcut(filters, strides, name=f"{name}_0_pad")(x)


def projection_where_needed(x, filters, strides, name):
    """Option B: a 1x1 projection with batch normalization where dimensions grow, identity elsewhere."""
    return x if fits(x, filters, strides) else projection(x, filters, strides, name)


# Section 3.3 and table 3 of the paper. "C" projects in every unit.
SHORTCUTS = {"A": zero_padded_shortcut, "B": projection_where_needed, "C": projection}


def check_unit(shortcut, stride_in="1x1", zero_gamma=False):
    """Raises ArgumentError for a unit that does not exist."""
    for argument, value, choices in [
        ("shortcut", shortcut, [*SHORTCUTS, None]),
        ("stride_in", stride_in, ["1x1", "3x3"]),
    ]:
        if value not in choices:
            raise ArgumentError(f"{argument}={value!r} is unknown: use one of {', '.join(map(repr, choices))}.")
    if zero_gamma and shortcut is None:
        raise ArgumentError("zero_gamma=True would make a net without shortcuts constant: leave one of them out.")


def stages(x, block_counts, filters, *, shortcut, bottleneck=False, stride_in="1x1", zero_gamma=False):
    """Stacks of residual units, called conv2, conv3, ...: each on maps of one size, half the size of the one before.

    The last activation of a stack is called `conv2_out`, `conv3_out`, ...

    Args:
        x: (B, H, W, C), non-negative (the output of a ReLU).
        block_counts: units of each stack.
        filters: filters of the 3x3 convolutions of each stack.
        shortcut: "A", "B" or "C", or None for plain stacks.
        bottleneck: whether units are 1x1, 3x3, 1x1 instead of two 3x3.
        stride_in: "1x1" or "3x3", where a bottleneck has its stride.
        zero_gamma: start the last gamma of each branch at 0, so that each unit starts as its shortcut.

    Returns:
        (B, h, w, filters[-1]), four times the filters for bottlenecks; h is H halved, rounding up, at every stack but
        the first.
    """
    branch = bottleneck_branch if bottleneck else basic_branch
    for i, (units, width) in enumerate(zip(block_counts, filters)):
        stage = f"conv{i + 2}"
        for j in range(1, units + 1):
            unit = f"{stage}_block{j}"
            strides = 2 if i > 0 and j == 1 else 1
            y = branch(x, width, strides, stride_in, unit, zero_gamma)
            if shortcut is not None:
                y = keras.layers.Add(name=f"{unit}_add")([SHORTCUTS[shortcut](x, y.shape[-1], strides, unit), y])
            x = relu(y, f"{stage}_out" if j == units else f"{unit}_out")
    return x
