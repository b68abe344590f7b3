"""Inception blocks, written as in the papers' figures.

A block is a list of branches, and a branch is a list of steps, from its input to its output:

| step | meaning |
|---|---|
| "3x3,96" | convolution of height 3 and width 3, 96 filters; then batch normalization and ReLU |
| "3x3,96/2" | the same with stride 2; "V" at the end: without padding |
| "max", "max/2", "max/2 V", "avg" | 3x3 pooling; averages count the pixels inside the map only |
| ("1x3,256", "3x1,256") | two parallel convolutions of the same map; as a last step only |

The outputs of the branches are concatenated. Convolutions have no bias; padding is Keras's "same". Layers are called
`{block}_branch{b}_{i}_conv`, `_bn`, `_relu` and `_pool`, counted from 1; the caller names the concatenation.

Shapes: B batch, H and W map size, C channels; tensors are (B, H, W, C), channels last.
"""

import dataclasses
import re
from collections.abc import Sequence

import keras

from keras_resnets.initializers import FanOutNormal
from keras_resnets.layers.batch_normalization import BatchNormalization
from keras_resnets.models.blocks import named, scaled_filters

CONVOLUTION = re.compile(r"(\d+)x(\d+),(\d+)(/2)?( V)?")
POOLING = re.compile(r"(max|avg)(/2)?( V)?")

Step = str | tuple[str, str]
Block = Sequence[Sequence[Step]]


@dataclasses.dataclass(frozen=True)
class Inception:
    """An Inception net's convolutions and blocks, with batch normalization of epsilon 1e-3 and momentum 0.9.

    The papers' momentum of 0.9997 is for long schedules.

    Attributes:
        gamma: whether batch normalization has a scale. The nets of TF-slim and keras.applications have none.
        width: factor of the number of filters of all layers: see `scaled_filters`.
    """

    gamma: bool = True
    width: float = 1.0

    def convolution(self, x: keras.KerasTensor, step: str, name: str) -> keras.KerasTensor:
        """One convolution with batch normalization and ReLU, e.g. "3x3,96/2 V"."""
        height, width, filters, strides, valid = _parse(CONVOLUTION, step)
        x = keras.layers.Conv2D(
            scaled_filters(int(filters), self.width),
            (int(height), int(width)),
            2 if strides else 1,
            "valid" if valid else "same",
            use_bias=False,
            kernel_initializer=FanOutNormal(),
            name=f"{name}_conv",
        )(x)
        x = BatchNormalization(momentum=0.9, epsilon=1e-3, scale=self.gamma, name=f"{name}_bn")(x)
        return keras.layers.Activation("relu", name=f"{name}_relu")(x)

    def sequence(self, x: keras.KerasTensor, steps: Sequence[Step], prefix: str) -> list[keras.KerasTensor]:
        """Applies the steps of a branch, and returns its outputs: two, if the last step is a pair."""
        for i, step in enumerate(steps, 1):
            name = f"{prefix}_{i}"
            if isinstance(step, tuple):
                return [self.convolution(x, half, f"{name}{side}") for half, side in zip(step, "ab")]
            x = pool(x, step, name) if POOLING.fullmatch(step) else self.convolution(x, step, name)
        return [x]

    def stem(self, x: keras.KerasTensor, steps: Sequence[str], name: str) -> keras.KerasTensor:
        """Applies the steps of the net's beginning; the output is called `{name}_out`."""
        (x,) = self.sequence(x, steps, name)
        return named(x, f"{name}_out")

    def block(self, x: keras.KerasTensor, branches: Block, name: str, output: str | None = None) -> keras.KerasTensor:
        """Concatenates the branches.

        Args:
            x: (B, H, W, C).
            branches: the steps of each branch.
            name: prefix of the layers.
            output: the concatenation's name; by default `{name}_out`.

        Returns:
            (B, h, w, filters of all branches).
        """
        outputs = [y for b, steps in enumerate(branches, 1) for y in self.sequence(x, steps, f"{name}_branch{b}")]
        output = output or f"{name}_out"
        return keras.layers.Concatenate(name=output)(outputs) if len(outputs) > 1 else named(outputs[0], output)

    def stage(self, x: keras.KerasTensor, blocks: Sequence[Block], name: str) -> keras.KerasTensor:
        """Applies blocks, called `{name}_block1`, ...; the output of the last one is called `{name}_out`."""
        for i, branches in enumerate(blocks, 1):
            x = self.block(x, branches, f"{name}_block{i}", f"{name}_out" if i == len(blocks) else None)
        return x


def pool(x: keras.KerasTensor, step: str, name: str) -> keras.KerasTensor:
    """One 3x3 pooling, e.g. "max/2 V"."""
    kind, strides, valid = _parse(POOLING, step)
    layer = {"max": keras.layers.MaxPooling2D, "avg": keras.layers.AveragePooling2D}[kind]
    return layer(3, 2 if strides else 1, "valid" if valid else "same", name=f"{name}_pool")(x)


def _parse(pattern: re.Pattern[str], step: str) -> tuple[str, ...]:
    match = pattern.fullmatch(step)
    if match is None:
        raise ValueError(f"step {step!r} has none of the forms in the table above.")
    return match.groups()
