"""A recipe: how a net is trained. The papers' recipes, and our own, are rows of tables in the other files."""

import dataclasses
import math
import sys
from collections.abc import Mapping
from typing import Any

from keras_resnets.errors import ArgumentError
from keras_resnets.values import FINITE

DECAYED = ("all", "kernels")
SIDE_SCHEDULES = ("alternating", "progressive")
LARGEST_COUNT = 10**15  # steps: int64 counts them, also times those of a call


@dataclasses.dataclass(frozen=True)
class Recipe:
    """An optimizer, a schedule of its learning rate, and regularization.

    Attributes:
        batch_size: examples in a step, over all replicas.
        epochs: length of training in passes over the data; None if `steps` is given.
        steps: length of training in steps; None if `epochs` is given.
        learning_rate: highest learning rate.
        schedule: "steps" divides the learning rate by 10 at each of `drops`; "cosine" lets it fall to 0; "exponential"
            multiplies it by 0.94, `decays` times; "constant" leaves it as it is.
        drops: fractions of the training at which "steps" drops.
        decays: number of decays of "exponential".
        warmup_steps: steps of warm-up, at most half of the training. "steps" and "constant" stay at
            `warmup_learning_rate` meanwhile (arXiv 1512.03385, section 4.2), "cosine" rises linearly from it to
            `learning_rate`.
        warmup_learning_rate: see `warmup_steps`.
        optimizer: a name in `trainers.engine.optimizers.OPTIMIZERS`.
        momentum: momentum of the optimizer, in the form of Caffe and Keras: the velocity contains the learning rate.
        weight_decay: w in the term w / 2 * sum(weight ** 2) of the loss.
        decay: the weights in that sum: "all" trained ones, with biases and the gammas and betas of batch normalization,
            or the "kernels" of convolutions and dense layers.
        bias_learning_rate: factor of the learning rate of biases (Caffe's lr_mult).
        clip_norm: largest global norm of the gradients; None for no limit.
        accumulation: parts of a replica's share of a batch whose gradients are accumulated, to need less memory; batch
            normalization sees one part at a time.
        label_smoothing: fraction of the target that is spread over all classes.
        ema_decay: decay of the moving average of the weights, which is then evaluated and exported; None for none.
        batch_norm_momentum: momentum of the moving statistics; None for the net's own.
        augmentation: a name in `trainers.data.augmentation.classification.AUGMENTATIONS`, or for a detector in
            `trainers.data.augmentation.detection.AUGMENTATIONS`.
        mixup_alpha: see `trainers.data.augmentation.mixup_cutmix`; None for no mixing.
        cutmix_alpha: likewise; None if and only if `mixup_alpha` is.
        second_side: another side of the images, in pixels; None for images of one size. Not for detectors.
        side_schedule: when the images have `second_side`: "alternating" in every second epoch, from the second one on
            (SPPnet, arXiv 1406.4729, section 2.3: 180 instead of 224), "progressive" in the first half of the training
            (arXiv 2104.00298, section 4: a smaller side first).

    Raises:
        ArgumentError: for a value that cannot work.
    """

    batch_size: int
    epochs: float | None
    steps: int | None
    learning_rate: float
    schedule: str
    drops: tuple[float, ...] = ()
    decays: int = 0
    warmup_steps: int = 0
    warmup_learning_rate: float = 0.0
    optimizer: str = "sgd"
    momentum: float = 0.9
    weight_decay: float = 1e-4
    decay: str = "kernels"
    bias_learning_rate: float = 1.0
    clip_norm: float | None = None
    accumulation: int = 1
    label_smoothing: float = 0.0
    ema_decay: float | None = None
    batch_norm_momentum: float | None = None
    augmentation: str = "central_crop"
    mixup_alpha: float | None = None
    cutmix_alpha: float | None = None
    second_side: int | None = None
    side_schedule: str = "alternating"

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float):
                FINITE.check(f"--{field.name}", value)
        for name, known in (("decay", DECAYED), ("side_schedule", SIDE_SCHEDULES)):
            if getattr(self, name) not in known:
                raise ArgumentError(f"{name}={getattr(self, name)!r} is unknown: use {' or '.join(map(repr, known))}.")
        if self.ema_decay is not None and self.ema_decay >= 1:
            raise ArgumentError(f"--ema_decay={self.ema_decay} must be less than 1, which would average nothing.")

    def total_steps(self, examples: int) -> int:
        """Returns the number of steps for a training split of `examples` examples.

        Raises:
            ArgumentError: if they are more than a training can count.
        """
        steps = self.steps if self.steps is not None else max(1, math.ceil(self.epochs * examples / self.batch_size))
        if steps > LARGEST_COUNT:
            given = f"--epochs={self.epochs}" if self.steps is None else f"--steps={self.steps}"
            raise ArgumentError(f"{given} makes {steps:.1e} steps: pass at most {LARGEST_COUNT}.")
        return steps


@dataclasses.dataclass(frozen=True)
class BoxRecipe:
    """A recipe of a task with boxes.

    Attributes:
        recipe: how the model is trained.
        options: values of the model's options, where it has them.
        options_of: other values in place of `options`, for models with options of a class.
        frozen: stages of a backbone that are not trained if it starts from trained weights, by the backbone's name.
        region_steps: the steps for regions of alternating training: their length and their batch size, as multiples of
            those of the steps for proposals.
        sides: short side of a resized image, and its longest long side, in pixels; None for those of the task.
    """

    recipe: Recipe
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    options_of: Mapping[type, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    frozen: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    region_steps: tuple[float, int] = (1 / 2, 1)
    sides: tuple[int, int] | None = None


def goes_on(begun: Mapping[str, Any] | None, name: str) -> bool:
    """Whether a run with this configuration, or None, began with the recipe of this name, and so keeps it."""
    return begun is not None and begun["recipe_name"] == name


def get_recipe(name: str, recipes: Mapping[str, Recipe], begun: Mapping[str, Any] | None = None) -> Recipe:
    """Returns the row of a table with this name, or raises ArgumentError.

    Args:
        name: of the row.
        recipes: the table.
        begun: the configuration of the run if it exists already. It keeps the recipe that it began with, and the
            changes by its flags, whatever the table has now.
    """
    if goes_on(begun, name):
        return Recipe(**begun["recipe"])
    if name not in recipes:
        raise ArgumentError(f"--recipe={name} is unknown: use {', '.join(recipes)}.")
    return recipes[name]


def chosen_recipe(
    name: str | None, begun: Mapping[str, Any] | None, default: str, recipes: Mapping[str, Recipe]
) -> str:
    """Returns the name of a run's recipe, or raises ArgumentError if it is unknown.

    Args:
        name: the value of --recipe, or None.
        begun: see `get_recipe`; its recipe is the default.
        default: the name for a new run.
        recipes: the table.
    """
    name = name or (begun or {}).get("recipe_name") or default
    get_recipe(name, recipes, begun)
    return name


def change(recipe: Recipe, **changes) -> Recipe:
    """Returns a recipe with some fields changed.

    Args:
        recipe: a `Recipe`.
        **changes: values of fields; None keeps the recipe's, 0 switches off what may be None.
    """
    changes = {key: value for key, value in changes.items() if value is not None}
    changes |= {key: changes[key] or None for key in ("clip_norm", "ema_decay", "second_side") if key in changes}
    if "steps" in changes or "epochs" in changes:
        changes = {"steps": None, "epochs": None, **changes}
    return dataclasses.replace(recipe, **changes)


def with_fitting_batch(recipe: Recipe, examples: int) -> Recipe:
    """Returns a recipe whose batch has no more images than there are; says so on stderr where that changes it.

    The new size is a power of two times `accumulation`, so that replicas can share it. The learning rate stays.

    Args:
        recipe: a `Recipe`.
        examples: number of examples in the training split.

    Raises:
        ArgumentError: if there are less examples than `accumulation`.
    """
    if recipe.batch_size <= examples:
        return recipe
    if examples < recipe.accumulation:
        raise ArgumentError(f"--accumulation={recipe.accumulation} needs as many training images, not {examples}.")
    fitting = recipe.accumulation * 2 ** int(math.log2(examples // recipe.accumulation))
    print(
        f"--batch_size={fitting} is taken, as {recipe.batch_size} is more than the {examples} training images",
        file=sys.stderr,
    )
    return dataclasses.replace(recipe, batch_size=fitting)
