"""How nets are trained: the papers' schedules, and our own, as rows of a table."""

import dataclasses
import math

import keras

from keras_resnets import ArgumentError

DECAY = 0.94


DECAYED = ("all", "kernels")


class RMSprop(keras.optimizers.RMSprop):
    """RMSProp as in TensorFlow 1, with which the Inception nets were trained: the mean square starts at 1, not at 0.

    (Epsilon is inside the root in Keras, too.)
    """

    def add_optimizer_variables(self, trainable_variables, name, initializer="zeros"):
        initializer = "ones" if name == "velocity" else initializer
        return super().add_optimizer_variables(trainable_variables, name, initializer)


OPTIMIZERS = {
    "sgd": lambda learning_rate, momentum: keras.optimizers.SGD(learning_rate, momentum=momentum),
    "nesterov": lambda learning_rate, momentum: keras.optimizers.SGD(learning_rate, momentum=momentum, nesterov=True),
    "adam": lambda learning_rate, momentum: keras.optimizers.Adam(learning_rate, beta_1=momentum),
    "rmsprop": lambda learning_rate, momentum: RMSprop(learning_rate, rho=0.9, momentum=momentum, epsilon=1.0),
}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """An optimizer, a schedule of its learning rate, and what is done against overfitting.

    Attributes:
        batch_size: examples of a step, over all replicas.
        epochs: length of training in passes over the data; None where `steps` says it.
        steps: length of training in steps; None where `epochs` says it.
        learning_rate: the highest.
        schedule: "steps" divides the learning rate by 10 at each of `drops`; "cosine" lets it fall to 0; "exponential"
            multiplies it by 0.94, `decays` times.
        drops: fractions of the training at which "steps" drops.
        decays: number of decays of "exponential".
        warmup_steps: steps at the start (half of the training at most): "steps" stays at `warmup_learning_rate`
            during them (arXiv 1512.03385, section 4.2), "cosine" rises linearly from it to `learning_rate`.
        warmup_learning_rate: see `warmup_steps`.
        optimizer: a name in `OPTIMIZERS`.
        momentum: of the optimizer, in Caffe's form (the learning rate inside the velocity), which is Keras's.
        weight_decay: w in the term w / 2 * sum(weight ** 2) of the loss.
        decay: what that sum is over: "all" that is trained, biases and batch normalization's gammas and betas included,
            or the "kernels" of convolutions and dense layers.
        bias_learning_rate: factor of the learning rate of biases (Caffe's lr_mult).
        clip_norm: largest norm of all gradients together; None for no limit.
        accumulation: parts into which a replica's share of a batch is cut, to need less memory; batch normalization
            sees one part at a time.
        label_smoothing: share of the target that is spread over all classes.
        ema_decay: decay of the moving average of the weights, which is then evaluated and exported; None for none.
        batch_norm_momentum: of the moving statistics; None for the net's own.
        augmentation: a name in `trainers.data.augmentation.classification.AUGMENTATIONS`, or, of a detector, in
            `trainers.data.augmentation.detection.AUGMENTATIONS`.
        mixup_alpha: see `trainers.data.augmentation.mixup_cutmix`; None for no mixing.
        cutmix_alpha: likewise; None exactly when `mixup_alpha` is.
        second_side: side, in pixels, that images are resized to in every second epoch, from the second one on (SPPnet,
            arXiv 1406.4729, section 2.3: 180, of 224); None for images of one size. Not for detectors.

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

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise ArgumentError(f"--{field.name}={value} must be a number.")
        if self.decay not in DECAYED:
            raise ArgumentError(f"decay={self.decay!r} is unknown: use {' or '.join(map(repr, DECAYED))}.")
        if self.ema_decay is not None and self.ema_decay >= 1:
            raise ArgumentError(f"--ema_decay={self.ema_decay} must be less than 1, which would average nothing.")

    def total_steps(self, examples):
        """Returns the number of steps for a training split of `examples` examples."""
        return self.steps if self.steps is not None else max(1, math.ceil(self.epochs * examples / self.batch_size))

    def make_optimizer(self, total_steps, learning_rate_factors=None):
        """Returns the Keras optimizer, with its schedule stretched over `total_steps`.

        Args:
            total_steps: of the training.
            learning_rate_factors: a factor for each trainable variable; None for 1.
        """
        optimizer = OPTIMIZERS[self.optimizer](self._learning_rate(total_steps), self.momentum)
        if learning_rate_factors is not None:
            _scale_learning_rates(optimizer, learning_rate_factors)
        return optimizer

    def _learning_rate(self, total_steps):
        warmup = min(self.warmup_steps, total_steps // 2)
        if self.schedule == "cosine":
            if not warmup:
                return keras.optimizers.schedules.CosineDecay(self.learning_rate, total_steps)
            return keras.optimizers.schedules.CosineDecay(
                self.warmup_learning_rate, total_steps - warmup, warmup_target=self.learning_rate, warmup_steps=warmup
            )
        if self.schedule == "exponential":
            return keras.optimizers.schedules.ExponentialDecay(
                self.learning_rate, max(1, math.ceil(total_steps / self.decays)), DECAY, staircase=True
            )
        ends = [round(drop * total_steps) for drop in self.drops]
        values = [self.learning_rate * 0.1**i for i in range(len(ends) + 1)]
        if warmup:
            ends, values = [warmup, *ends], [self.warmup_learning_rate, *values]
        # Keras keeps a value up to and including its boundary, counting steps from 0.
        return keras.optimizers.schedules.PiecewiseConstantDecay([end - 1 for end in ends], values)


def _scale_learning_rates(optimizer, factors):
    """Makes every variable's step with its own multiple of the learning rate."""
    update_step = optimizer.update_step

    def scaled(gradient, variable, learning_rate):
        update_step(gradient, variable, learning_rate * factors[optimizer._get_variable_index(variable)])

    optimizer.update_step = scaled


def goes_on(begun, name):
    """Whether a run of this configuration, or None, began with the recipe of this name, which it keeps then."""
    return begun is not None and begun["recipe_name"] == name


def get_recipe(name, recipes, begun=None):
    """Returns the row of a table with this name, or raises ArgumentError.

    Args:
        name: of the row.
        recipes: the table.
        begun: the configuration of the run where it exists already: it keeps the recipe that it began with, with the
            changes of its flags, whatever the table says by now.
    """
    if goes_on(begun, name):
        return Recipe(**begun["recipe"])
    if name not in recipes:
        raise ArgumentError(f"--recipe={name} is unknown: use {', '.join(recipes)}.")
    return recipes[name]


def change(recipe, examples, **changes):
    """Returns a recipe with some fields changed.

    Args:
        recipe: a `Recipe`.
        examples: of the training split.
        **changes: fields; None leaves the recipe's value, 0 switches off what may be None.

    Raises:
        ArgumentError: if a batch would have more images than there are.
    """
    changes = {key: value for key, value in changes.items() if value is not None}
    changes |= {key: changes[key] or None for key in ("clip_norm", "ema_decay", "second_side") if key in changes}
    if "steps" in changes or "epochs" in changes:
        changes = {"steps": None, "epochs": None, **changes}
    recipe = dataclasses.replace(recipe, **changes)
    if recipe.batch_size > examples:
        raise ArgumentError(
            f"--batch_size={recipe.batch_size} is more than the {examples} training images: pass a smaller one."
        )
    return recipe
