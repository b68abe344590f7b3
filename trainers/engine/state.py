"""What a training run changes from step to step: all of it, and nothing else, is in its checkpoints."""

import contextlib

import tensorflow as tf

from keras_resnets.dtype_policies import dtype_policy_scope

INITIAL_LOSS_SCALE = 2.0**15
LOSS_SCALES = 1.0, 2.0**24  # the least and the largest
LOSS_SCALE_GROWTH_STEPS = 2000  # finite steps after which the scale is doubled


class State:
    """The variables of a run; make it in the scope of its strategy.

    Attributes:
        model: the `keras.Model` that is trained.
        optimizer: the Keras optimizer, built.
        average: a second model with the moving average of the first one's variables, or None.
        loss_scale: the factor of the loss whose gradients are computed, a scalar variable, or None.
        finite_steps: since the loss scale was changed, or None.
        best: the lowest value of the task's selection_metric so far, a scalar variable.

    Args:
        task: see `trainers.engine.loop`.
        recipe: a `trainers.recipes.recipe.Recipe`.
        steps: of the whole run.
        precision: "float32", "mixed_bfloat16" or "mixed_float16"; only the last one needs a loss scale.
    """

    def __init__(self, task, recipe, steps, precision):
        with dtype_policy_scope(precision):
            self.model = task.build_model()
            self.average = task.build_model() if recipe.ema_decay is not None else None
        self.optimizer = recipe.make_optimizer(steps, task.learning_rate_factors(self.model))
        self.optimizer.build(self.model.trainable_variables)
        self.loss_scale = self.finite_steps = None
        if precision == "mixed_float16":
            self.loss_scale = tf.Variable(INITIAL_LOSS_SCALE, trainable=False)
            self.finite_steps = tf.Variable(0, trainable=False)
        self.best = tf.Variable(float("inf"), trainable=False)

    def models(self):
        """Returns the model, and its moving average if there is one."""
        return [self.model] if self.average is None else [self.model, self.average]

    def measured(self):
        """Returns the model that is evaluated: the moving average, if there is one."""
        return self.models()[-1]

    def checkpoint(self):
        """Returns the `tf.train.Checkpoint` of everything."""
        parts = {"model": self.model, "optimizer": self.optimizer, "best": self.best}
        # A model's checkpoint leaves out the state of its random generators (dropout).
        parts["generators"] = [v.value for v in self.model.variables if v.path.endswith("seed_generator_state")]
        if self.average is not None:
            parts["average"] = self.average
        if self.loss_scale is not None:
            parts |= {"loss_scale": self.loss_scale, "finite_steps": self.finite_steps}
        return tf.train.Checkpoint(**parts)

    def changed_by_a_step(self):
        """Returns the `tf.Variable`s that a step that is left out must not have changed."""
        models = [variable.value for model in self.models() for variable in model.variables]
        return models + [variable.value for variable in self.optimizer.variables]

    @contextlib.contextmanager
    def unchanged(self):
        """Gives everything that a step changes its value back, bit for bit; for a `with` statement."""
        scale = [] if self.loss_scale is None else [self.loss_scale, self.finite_steps]
        before = [(variable, variable.numpy()) for variable in self.changed_by_a_step() + scale]
        yield
        for variable, value in before:
            variable.assign(value)

    def update_loss_scale(self, finite):
        """Halves the loss scale after gradients that are not finite; doubles it after many that are."""
        grown = tf.logical_and(finite, self.finite_steps + 1 >= LOSS_SCALE_GROWTH_STEPS)
        factor = tf.where(finite, tf.where(grown, 2.0, 1.0), 0.5)
        self.loss_scale.assign(tf.clip_by_value(self.loss_scale * factor, *LOSS_SCALES))
        self.finite_steps.assign(tf.where(tf.logical_or(grown, tf.logical_not(finite)), 0, self.finite_steps + 1))
