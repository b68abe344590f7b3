"""Batches of static shapes from a split, for any number of machines and replicas."""

import math
from collections.abc import Callable

import tensorflow as tf

from trainers.data.split import Example, Split
from trainers.data.tf_data_options import AHEAD, CORES, untuned

MAX_EPOCHS = 2**31  # more than any run has


def training_batches(
    split: Split,
    transform: Callable[[Example, tf.Tensor], Example],
    *,
    batch_size: int,
    first_step: int,
    seed: int,
    context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Returns an endless shuffled stream of batches. A batch depends on its step and on the seed only.

    Epochs follow each other without a gap: each example is seen equally often, and all batches are full. Replicas share
    the batch that one device would have. If the machines read a split in parts (`Split.part`), the replicas of a
    machine have batches of its part.

    Args:
        split: of the data set.
        transform: function from a loaded example and a seed, (2,) int64, different in each epoch and for each example,
            to an example of static shapes.
        batch_size: examples in a batch over all replicas.
        first_step: number of batches to skip; that of the steps done, for a resumed run.
        seed: determines order and augmentation.
        context: of this machine; None for a single replica.

    Returns:
        The batches of this machine's replicas in turn: for each step, one for each replica.
    """
    context = context or tf.distribute.InputContext()
    replica_batch = batch_size // context.num_replicas_in_sync
    machines = context.num_input_pipelines
    part = None
    if split.part is not None and machines > 1:
        split, machines, batch_size = split.part(context), 1, batch_size // machines
        part = context.input_pipeline_id  # folded into the seed: the indices of the parts are the same
    first_epoch, offset = divmod(first_step * batch_size, split.size)

    def epoch_keys(epoch):
        epoch_seed = tf.stack([tf.constant(seed, tf.int64), epoch])
        if part is not None:
            epoch_seed = tf.random.fold_in(epoch_seed, part)
        return split.keys(epoch_seed).map(lambda key: (epoch_seed, key))

    def example(epoch_seed, key):
        return transform(split.load(key), tf.random.fold_in(epoch_seed, key["index"]))

    keys = untuned(tf.data.Dataset.range(first_epoch, MAX_EPOCHS)).flat_map(epoch_keys).skip(offset)
    if machines > 1:
        shares = keys.batch(batch_size // machines, drop_remainder=True)
        keys = shares.shard(machines, context.input_pipeline_id).unbatch()
    examples = keys.map(example, num_parallel_calls=CORES)
    batches = examples.batch(replica_batch, drop_remainder=True).prefetch(AHEAD)
    # Without this, the machines would synchronize before each step, as one might run out of data, and shapes would not
    # be static.
    return batches.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))


def evaluation_batches(
    split: Split,
    transform: Callable[[Example], Example],
    *,
    batch_size: int,
    context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Returns batches that have each example exactly once, on one of the machines, in order.

    All batches are full, and all machines have the same number of batches: padding fills the last ones.

    Args:
        split: of the data set.
        transform: function from a loaded example to an example of static shapes.
        batch_size: examples in a batch on one replica.
        context: of this machine; None for a single replica.

    Returns:
        Batches with the additional `index` (B,) int64, and `weight` (B,) float32: 1 for an example, 0 for padding.
    """
    context = context or tf.distribute.InputContext()
    replicas_here = context.num_replicas_in_sync // context.num_input_pipelines
    share = math.ceil(split.size / context.num_input_pipelines)
    batches = math.ceil(share / (batch_size * replicas_here)) * replicas_here

    def example(key):
        return {**transform(split.load(key)), "index": key["index"], "weight": tf.constant(1.0)}

    keys = split.keys(None).shard(context.num_input_pipelines, context.input_pipeline_id)
    examples = keys.map(example, num_parallel_calls=CORES)
    padding = tf.nest.map_structure(lambda spec: tf.zeros(spec.shape, spec.dtype), examples.element_spec)
    padded = examples.concatenate(tf.data.Dataset.from_tensors(padding).repeat()).take(batches * batch_size)
    return padded.batch(batch_size, drop_remainder=True).prefetch(AHEAD)
