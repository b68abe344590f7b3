"""How nets are trained: the papers' schedules, and our own, as rows of a table."""

import dataclasses
import math

import keras

from keras_resnets import ArgumentError


@dataclasses.dataclass(frozen=True)
class Recipe:
    """SGD with momentum, L2 and a schedule of the learning rate.

    Attributes:
        batch_size: examples of a step, over all replicas.
        epochs: length of training in passes over the data; None where `steps` says it.
        steps: length of training in steps; None where `epochs` says it.
        learning_rate: the highest.
        schedule: "steps" divides the learning rate by 10 at each of `drops`; "cosine" lets it fall to 0.
        drops: fractions of the training at which "steps" drops.
        warmup_steps: steps at the start (half of the training at most): "steps" stays at `warmup_learning_rate`
            during them (arXiv 1512.03385, section 4.2), "cosine" rises linearly from it to `learning_rate`.
        warmup_learning_rate: see `warmup_steps`.
        momentum: of SGD, in Caffe's form (the learning rate inside the velocity), which is Keras's.
        weight_decay: w in the term w / 2 * sum(weight ** 2) of the loss, over the kernels of convolutions and dense
            layers.
        augmentation: a name in `trainers.data.augmentation.AUGMENTATIONS`, or None.
    """

    batch_size: int
    epochs: float | None
    steps: int | None
    learning_rate: float
    schedule: str
    drops: tuple[float, ...] = ()
    warmup_steps: int = 0
    warmup_learning_rate: float = 0.0
    momentum: float = 0.9
    weight_decay: float = 1e-4
    augmentation: str | None = None

    def total_steps(self, examples):
        """Returns the number of steps for a training split of `examples` examples."""
        return self.steps if self.steps is not None else max(1, math.ceil(self.epochs * examples / self.batch_size))

    def optimizer(self, total_steps):
        """Returns the Keras optimizer, with its schedule stretched over `total_steps`."""
        return keras.optimizers.SGD(self._learning_rate(total_steps), momentum=self.momentum)

    def _learning_rate(self, total_steps):
        warmup = min(self.warmup_steps, total_steps // 2)
        if self.schedule == "cosine":
            if not warmup:
                return keras.optimizers.schedules.CosineDecay(self.learning_rate, total_steps)
            return keras.optimizers.schedules.CosineDecay(
                self.warmup_learning_rate, total_steps - warmup, warmup_target=self.learning_rate, warmup_steps=warmup
            )
        ends = [round(drop * total_steps) for drop in self.drops]
        values = [self.learning_rate * 0.1**i for i in range(len(ends) + 1)]
        if warmup:
            ends, values = [warmup, *ends], [self.warmup_learning_rate, *values]
        # Keras keeps a value up to and including its boundary, counting steps from 0.
        return keras.optimizers.schedules.PiecewiseConstantDecay([end - 1 for end in ends], values)


# arXiv 1512.03385, section 4.2: 64,000 steps of 128 images, a tenth of the learning rate after 32,000 and 48,000.
_CIFAR = Recipe(
    batch_size=128,
    epochs=None,
    steps=64_000,
    learning_rate=0.1,
    schedule="steps",
    drops=(1 / 2, 3 / 4),
    weight_decay=1e-4,
    augmentation="pad_crop_and_flip",
)

RECIPES = {
    "cifar": _CIFAR,
    # The same section, for depths from 110 on: 400 steps at 0.01 first.
    "cifar_warmup": dataclasses.replace(_CIFAR, warmup_steps=400, warmup_learning_rate=0.01),
    # Small data sets of digits, which must not be mirrored: a couple of minutes on two cores.
    "digits": Recipe(
        batch_size=32,
        epochs=12,
        steps=None,
        learning_rate=0.1,
        schedule="cosine",
        warmup_steps=50,
        weight_decay=5e-4,
        augmentation="pad_and_crop",
    ),
}


def get_recipe(name):
    """Returns the row of `RECIPES` with this name, or raises ArgumentError."""
    if name not in RECIPES:
        raise ArgumentError(f"--recipe={name} is unknown: use {', '.join(RECIPES)}.")
    return RECIPES[name]


def default_recipe(dataset):
    """Returns the name of the recipe for a value of `--dataset` when none is given."""
    return "digits" if dataset.partition(":")[0] in ("digits", "idx") else "cifar"
