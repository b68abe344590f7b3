"""The state of a training run: everything that a step changes, which is what checkpoints hold."""

import contextlib

import keras
import tensorflow as tf

from keras_resnets.dtype_policies import dtype_policy_scope
from keras_resnets.surgery.graph import batch_normalizations
from trainers.engine.fine_tuning import learning_rate_factors
from trainers.engine.optimizers import make_optimizer
from trainers.engine.task import Task
from trainers.recipes.recipe import Recipe

INITIAL_LOSS_SCALE = 2.0**15
LOSS_SCALES = 1.0, 2.0**24  # the least and the largest
LOSS_SCALE_GROWTH_STEPS = 2000  # finite steps after which the scale is doubled


class State:
    """The variables of a run. Create it in the scope of the run's strategy.

    Attributes:
        model: the `keras.Model` that is trained.
        optimizer: the built Keras optimizer.
        average: a second model, whose variables are the moving averages of the first one's, or None.
        loss_scale: factor of the loss before gradients are computed, a scalar float32 variable, or None.
        finite_steps: steps since the loss scale was changed, a scalar int32 variable, or None.
        best: the lowest value of the task's `selection_metric` so far, a scalar float32 variable.

    Args:
        task: the task.
        recipe: its recipe.
        steps: of the whole run.
        precision: "float32", "mixed_bfloat16" or "mixed_float16"; only "mixed_float16" has a loss scale.
    """

    def __init__(self, task: Task, recipe: Recipe, steps: int, precision: str):
        with dtype_policy_scope(precision):
            self.model = task.build_model()
            self.average = task.build_model() if recipe.ema_decay is not None else None
        rates = task.config["stage_learning_rates"]
        factors = learning_rate_factors(self.model, rates, recipe.bias_learning_rate)
        self.optimizer = make_optimizer(recipe, steps, factors)
        self.optimizer.build(self.model.trainable_variables)
        self.loss_scale = self.finite_steps = None
        if precision == "mixed_float16":
            self.loss_scale = tf.Variable(INITIAL_LOSS_SCALE, trainable=False)
            self.finite_steps = tf.Variable(0, trainable=False)
        self.best = tf.Variable(float("inf"), trainable=False)

    def models(self) -> list[keras.Model]:
        """Returns the model, and its moving average if there is one."""
        return [self.model] if self.average is None else [self.model, self.average]

    def measured(self) -> keras.Model:
        """Returns the model that is evaluated: the moving average if there is one."""
        return self.models()[-1]

    def synchronize_batch_normalization(self) -> None:
        """Lets the model's batch normalization use the statistics of the whole batch, not of a replica's share."""
        for layer in batch_normalizations(self.model):
            layer.synchronized = True

    def checkpoint(self) -> tf.train.Checkpoint:
        """Returns the `tf.train.Checkpoint` of the whole state."""
        parts = {"model": self.model, "optimizer": self.optimizer, "best": self.best}
        # Keras leaves the state of random generators (dropout) out of a model's checkpoint.
        parts["generators"] = [v.value for v in self.model.variables if v.path.endswith("seed_generator_state")]
        if self.average is not None:
            parts["average"] = self.average
        if self.loss_scale is not None:
            parts |= {"loss_scale": self.loss_scale, "finite_steps": self.finite_steps}
        return tf.train.Checkpoint(**parts)

    def changed_by_a_step(self) -> list[tf.Variable]:
        """Returns the `tf.Variable`s that a skipped step must leave as they were."""
        models = [variable.value for model in self.models() for variable in model.variables]
        return models + [variable.value for variable in self.optimizer.variables]

    @contextlib.contextmanager
    def unchanged(self):
        """Restores every value that steps change, bit for bit, after a `with` statement."""
        scale = [] if self.loss_scale is None else [self.loss_scale, self.finite_steps]
        before = [(variable, variable.numpy()) for variable in self.changed_by_a_step() + scale]
        yield
        for variable, value in before:
            variable.assign(value)

    def update_loss_scale(self, finite: tf.Tensor) -> None:
        """Halves the loss scale after gradients that are not finite; doubles it after 2,000 finite steps.

        Args:
            finite: whether the gradients of this step are finite, a scalar bool tensor.
        """
        grown = tf.logical_and(finite, self.finite_steps + 1 >= LOSS_SCALE_GROWTH_STEPS)
        factor = tf.where(finite, tf.where(grown, 2.0, 1.0), 0.5)
        self.loss_scale.assign(tf.clip_by_value(self.loss_scale * factor, *LOSS_SCALES))
        self.finite_steps.assign(tf.where(tf.logical_or(grown, tf.logical_not(finite)), 0, self.finite_steps + 1))
