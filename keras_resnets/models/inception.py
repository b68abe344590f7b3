"""Inception blocks, written as in the papers' figures.

A block is a list of branches, a branch a list of steps, from its input to its output:

| step | meaning |
|---|---|
| "3x3,96" | convolution of height 3 and width 3, 96 filters; then batch normalization and ReLU |
| "3x3,96/2" | the same with stride 2; "V" at the end: without padding |
| "max", "max/2", "max/2 V", "avg" | 3x3 pooling; averages count the pixels inside the map only |
| ("1x3,256", "3x1,256") | two convolutions of the same map, one beside the other; as a last step only |

The outputs of the branches are concatenated. Convolutions have no bias; padding is Keras's "same". Layers are called
`{block}_branch{b}_{i}_conv`, `_bn`, `_relu` and `_pool`, from 1, and the concatenation as the caller says.

Shapes: B batch, H and W map size, C channels; tensors are (B, H, W, C), channels last.
"""

import dataclasses
import re

import keras

from keras_resnets.initializers import FanOutNormal
from keras_resnets.models.blocks import named
from keras_resnets.models.width import scaled_filters

CONVOLUTION = re.compile(r"(\d+)x(\d+),(\d+)(/2)?( V)?")
POOLING = re.compile(r"(max|avg)(/2)?( V)?")


@dataclasses.dataclass(frozen=True)
class Inception:
    """What the convolutions of a net have in common: batch normalization of epsilon 1e-3 and momentum 0.9.

    The papers' momentum of 0.9997 is for long schedules: `--recipe=inception` sets it.

    Attributes:
        gamma: whether batch normalization has a scale; TF-slim's and keras.applications' Inceptions have none.
        width: factor of all filters: see `keras_resnets.models.width.scaled_filters`.
    """

    gamma: bool = True
    width: float = 1.0

    def convolution(self, x, step, name):
        """One convolution with batch normalization and ReLU, e.g. "3x3,96/2 V"."""
        height, width, filters, strides, valid = CONVOLUTION.fullmatch(step).groups()
        x = keras.layers.Conv2D(
            scaled_filters(int(filters), self.width),
            (int(height), int(width)),
            2 if strides else 1,
            "valid" if valid else "same",
            use_bias=False,
            kernel_initializer=FanOutNormal(),
            name=f"{name}_conv",
        )(x)
        x = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-3, scale=self.gamma, name=f"{name}_bn")(x)
        return keras.layers.Activation("relu", name=f"{name}_relu")(x)

    def sequence(self, x, steps, prefix):
        """Applies the steps of a branch; returns the list of its outputs, more than one after a split."""
        for i, step in enumerate(steps, 1):
            name = f"{prefix}_{i}"
            if isinstance(step, tuple):
                return [self.convolution(x, half, f"{name}{side}") for half, side in zip(step, "ab")]
            x = pooling(x, step, name) if POOLING.fullmatch(step) else self.convolution(x, step, name)
        return [x]

    def stem(self, x, steps, name):
        """Applies steps without a split; the output is called `{name}_out`."""
        (x,) = self.sequence(x, steps, name)
        return named(x, f"{name}_out")

    def block(self, x, branches, name, output=None):
        """Concatenates the branches.

        Args:
            x: (B, H, W, C).
            branches: list of lists of steps.
            name: prefix of the layers.
            output: the concatenation's name; by default `{name}_out`.

        Returns:
            (B, h, w, filters of all branches).
        """
        outputs = [y for b, steps in enumerate(branches, 1) for y in self.sequence(x, steps, f"{name}_branch{b}")]
        output = output or f"{name}_out"
        return keras.layers.Concatenate(name=output)(outputs) if len(outputs) > 1 else named(outputs[0], output)

    def stage(self, x, blocks, name):
        """Blocks one after the other, called `{name}_block1`, ...; the last one's output is called `{name}_out`."""
        for i, branches in enumerate(blocks, 1):
            x = self.block(x, branches, f"{name}_block{i}", f"{name}_out" if i == len(blocks) else None)
        return x


def pooling(x, step, name):
    """One 3x3 pooling, e.g. "max/2 V"."""
    kind, strides, valid = POOLING.fullmatch(step).groups()
    pool = {"max": keras.layers.MaxPooling2D, "avg": keras.layers.AveragePooling2D}[kind]
    return pool(3, 2 if strides else 1, "valid" if valid else "same", name=f"{name}_pool")(x)


def pooled_with_dropout(rate):
    """Returns the head of the papers' Inceptions: global average pooling and dropout of a share `rate`."""

    def head(x):
        x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
        return keras.layers.Dropout(rate, name="dropout")(x)

    return head
