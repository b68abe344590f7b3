"""One step of training, from a batch to new weights, on any number of replicas.

Each replica computes the gradients of its share of the batch, in the recipe's number of parts. Every replica checks,
clips and applies the same mean over all replicas, so that all keep the same weights. The task computes the loss.

Keras's optimizers can accumulate, clip and check, but not under a strategy: they clip the gradients of each replica,
and look for infinities on the first replica only.
"""

from collections.abc import Callable

import tensorflow as tf

from keras_resnets.surgery.graph import batch_normalizations
from trainers.engine.gradients import value_and_gradients
from trainers.engine.rematerialization import rematerialized
from trainers.engine.repetition import repeated
from trainers.engine.state import State
from trainers.engine.task import Task
from trainers.recipes.recipe import Recipe


def training_step(
    task: Task, state: State, recipe: Recipe, *, remat: bool = False, skip_nonfinite: bool = False
) -> Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]:
    """Returns the function of one step on one replica, for `strategy.run`.

    Args:
        task: the task.
        state: the state of the run.
        recipe: the recipe.
        remat: whether the backward pass computes activations again: see `rematerialized`.
        skip_nonfinite: whether a step with gradients that are not finite changes nothing.

    Returns:
        A function of this replica's share of a batch. It returns `loss` (L2 included), `learning_rate`, the task's
        figures, and with `skip_nonfinite` `skipped` (0 or 1): float32 scalars, the means over all replicas.
    """
    model, optimizer = state.model, state.optimizer
    forward = rematerialized(model) if remat else repeated(model)
    trained = [variable.value for variable in model.trainable_variables]
    is_decayed = [recipe.decay == "all" or v.path.endswith("/kernel") for v in model.trainable_variables]

    def gradients_of(batch):
        def scaled_loss():
            losses, figures = task.losses(forward, batch, training=True)
            loss = sum(losses.values())
            scaled = loss if state.loss_scale is None else loss * tf.cast(state.loss_scale, loss.dtype)
            return scaled, {"loss": loss, **figures}

        (_, figures), gradients = value_and_gradients(scaled_loss, trained)
        return gradients, figures

    def step(batch):
        replicas = tf.distribute.get_replica_context()
        before = [tf.identity(variable) for variable in state.changed_by_a_step()] if skip_nonfinite else []
        gradients, figures = _mean_over_parts(gradients_of, batch, recipe.accumulation)
        gradients, figures = _mean_over_replicas(replicas, gradients, figures)
        if state.loss_scale is not None:
            gradients = [gradient / tf.cast(state.loss_scale, gradient.dtype) for gradient in gradients]
        gradients, l2 = _with_decay(gradients, trained, is_decayed, recipe.weight_decay)
        figures["loss"] += tf.cast(l2, figures["loss"].dtype)
        if recipe.clip_norm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, recipe.clip_norm)
        figures["learning_rate"] = tf.cast(optimizer.learning_rate, tf.float32)
        if replicas.num_replicas_in_sync > 1:  # The optimizer sums over the replicas: all have the same gradients.
            gradients = [gradient / replicas.num_replicas_in_sync for gradient in gradients]
        optimizer.apply(gradients, model.trainable_variables)
        _move_statistics_together(model, replicas)
        if state.average is not None:
            _move_average(state, recipe.ema_decay)
        if skip_nonfinite:
            figures["skipped"] = _restored_unless_finite(state, gradients, before)
        return {name: tf.cast(value, tf.float32) for name, value in figures.items()}

    return step


def _mean_over_replicas(replicas, gradients, figures):
    if replicas.num_replicas_in_sync == 1:
        return gradients, figures  # The reduction would wait for all gradients, which would be in memory together.
    return replicas.all_reduce(tf.distribute.ReduceOp.MEAN, (gradients, figures))


def _restored_unless_finite(state, gradients, before):
    """Restores the values before the step if a gradient is not finite; returns 1 if so, or 0, a float32 scalar."""
    finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(gradient)) for gradient in gradients])
    for variable, value in zip(state.changed_by_a_step(), before):
        variable.assign(tf.where(finite, variable, value))
    if state.loss_scale is not None:
        state.update_loss_scale(finite)
    return 1 - tf.cast(finite, tf.float32)


def _with_decay(gradients, variables, is_decayed, weight_decay):
    """Returns gradients of the loss with its L2 term, and the term: w / 2 * sum(weight ** 2) of the decayed weights."""
    if not (weight_decay and any(is_decayed)):
        return gradients, 0.0
    factor = tf.cast(weight_decay, gradients[0].dtype)
    decaying, halved_squares = [], []
    for gradient, variable, decays in zip(gradients, variables, is_decayed):
        if decays:
            # Not earlier: the products of all weights would be in memory during the backward pass.
            with tf.control_dependencies([gradient]):
                weights = tf.convert_to_tensor(variable)
            halved_squares.append(tf.nn.l2_loss(weights))
            gradient += factor * weights
        decaying.append(gradient)
    return decaying, factor * tf.add_n(halved_squares)


def _mean_over_parts(gradients_of, batch, parts):
    """Returns the means of gradients and figures over parts of the batch, which are computed one after the other."""
    if parts == 1:
        return gradients_of(batch)
    results = []
    for i in range(parts):
        # Every n-th example: which examples are normalized together must not depend on the number of replicas.
        part = {name: values[i::parts] for name, values in batch.items()}
        # A part waits until the activations of the one before are free.
        with tf.control_dependencies(tf.nest.flatten(results[-1:])):
            part = tf.nest.map_structure(tf.identity, part)
        results.append(gradients_of(part))
    return tf.nest.map_structure(lambda *values: tf.add_n(values) / parts, *results)


def _move_statistics_together(model, replicas):
    """Sets the moving statistics of layers that are not synchronized to their mean over the replicas."""
    statistics = [
        variable
        for layer in batch_normalizations(model)
        if layer.trainable and not layer.synchronized
        for variable in (layer.moving_mean, layer.moving_variance)
    ]
    if replicas.num_replicas_in_sync == 1 or not statistics:
        return
    values = [tf.identity(variable.value) for variable in statistics]
    means = replicas.all_reduce(tf.distribute.ReduceOp.MEAN, values)
    for variable, mean in zip(statistics, means):
        variable.assign(mean)


def _move_average(state, decay):
    """Moves the averages of weights and statistics; the decay is lower in the first steps."""
    steps = tf.cast(state.optimizer.iterations, tf.float32)
    share = 1 - tf.minimum(decay, (1 + steps) / (10 + steps))
    for average, variable in zip(state.average.variables, state.model.variables):
        if variable.dtype.startswith("float"):
            average.assign(average + tf.cast(share, average.dtype) * (variable - average))
