"""The optimizers of recipes, with their learning rates."""

import math

import keras
import tensorflow as tf

from trainers.recipes.recipe import Recipe

EXPONENTIAL_DECAY = 0.94  # factor of the learning rate at each decay of "exponential"


class SGD(keras.optimizers.SGD):
    """`keras.optimizers.SGD` with momentum, which updates a weight by one operation instead of seven."""

    def update_step(self, gradient, variable, learning_rate):
        """Updates a variable and its momentum: Keras calls it."""
        if not self.momentum:
            return super().update_step(gradient, variable, learning_rate)
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=_handle(variable),
            accum=_handle(self.momentums[self._get_variable_index(variable)]),
            lr=tf.cast(learning_rate, gradient.dtype),
            grad=gradient,
            momentum=tf.cast(self.momentum, gradient.dtype),
            use_nesterov=self.nesterov,
        )


class RMSprop(keras.optimizers.RMSprop):
    """RMSProp as in TensorFlow 1, which trained the Inception nets: the mean square starts at 1, not at 0.

    Epsilon is inside the root, in Keras as in TensorFlow 1.
    """

    def add_optimizer_variables(self, trainable_variables, name, initializer="zeros"):
        initializer = "ones" if name == "velocity" else initializer
        return super().add_optimizer_variables(trainable_variables, name, initializer)


# For each name, a class, the name of its argument for the recipe's momentum, and its other arguments.
OPTIMIZERS = {
    "sgd": (SGD, "momentum", {}),
    "nesterov": (SGD, "momentum", {"nesterov": True}),
    "adam": (keras.optimizers.Adam, "beta_1", {}),
    "rmsprop": (RMSprop, "momentum", {"rho": 0.9, "epsilon": 1.0}),
}


def make_optimizer(
    recipe: Recipe, total_steps: int, learning_rate_factors: list[float] | None = None
) -> keras.optimizers.Optimizer:
    """Returns the optimizer of a recipe, not built yet.

    Args:
        recipe: the recipe.
        total_steps: steps of the training, over which the schedule is stretched.
        learning_rate_factors: a factor of the learning rate for each trainable variable; None for 1.
    """
    optimizer_class, momentum, arguments = OPTIMIZERS[recipe.optimizer]
    if learning_rate_factors is not None:
        optimizer_class = _with_factors(optimizer_class, learning_rate_factors)
    return optimizer_class(learning_rate_schedule(recipe, total_steps), **{momentum: recipe.momentum}, **arguments)


def learning_rate_schedule(recipe: Recipe, total_steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """Returns the learning rate of a recipe as a function of the step, from 0 on."""
    schedules = keras.optimizers.schedules
    warmup = min(recipe.warmup_steps, total_steps // 2)
    if recipe.schedule == "cosine":
        if not warmup:
            return schedules.CosineDecay(recipe.learning_rate, total_steps)
        return schedules.CosineDecay(
            recipe.warmup_learning_rate, total_steps - warmup, warmup_target=recipe.learning_rate, warmup_steps=warmup
        )
    if recipe.schedule == "exponential":
        decay_steps = max(1, math.ceil(total_steps / recipe.decays))
        return schedules.ExponentialDecay(recipe.learning_rate, decay_steps, EXPONENTIAL_DECAY, staircase=True)
    drops = recipe.drops if recipe.schedule == "steps" else ()
    ends = [round(drop * total_steps) for drop in drops]
    values = [recipe.learning_rate * 0.1**i for i in range(len(ends) + 1)]
    if warmup:
        ends, values = [warmup, *ends], [recipe.warmup_learning_rate, *values]
    if not ends:  # Keras needs one.
        ends, values = [total_steps], 2 * values
    # Keras keeps a value up to and including its boundary, counting steps from 0.
    return schedules.PiecewiseConstantDecay([end - 1 for end in ends], values)


def _handle(variable):
    """Returns the resource of a `keras.Variable`, or of one replica's `tf.Variable`."""
    return (variable.value if isinstance(variable, keras.Variable) else variable).handle


def _with_factors(optimizer_class, factors):
    """Returns a subclass that updates each variable with its own multiple of the learning rate.

    The factors are no attribute of the optimizer: Keras would add a list to its checkpoints.
    """

    class ScaledLearningRates(optimizer_class):
        def update_step(self, gradient, variable, learning_rate):
            # Under a strategy, `variable` is one replica's copy. Keras's own subclasses find its state by this index.
            factor = factors[self._get_variable_index(variable)]
            super().update_step(gradient, variable, learning_rate * factor)

    return ScaledLearningRates
