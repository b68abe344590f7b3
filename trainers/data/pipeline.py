"""From a split to batches of static shape, for any number of machines and replicas."""

import math

import tensorflow as tf

from trainers.data.tf_data_options import AHEAD, CORES, untuned

MAX_EPOCHS = 2**31  # more than any run has


def training_batches(split, transform, *, batch_size, first_step, seed, context=None):
    """An endless shuffled stream, cut into batches; what a batch holds depends on its step and the seed alone.

    One epoch follows the other without a gap, so every example is seen equally often and no batch is smaller.
    Replicas share the batch that one device would have; from a split that machines read in parts (`Split.part`), each
    machine's replicas have batches of its part.

    Args:
        split: a `Split`.
        transform: function from a loaded example and a seed (two int64 in a tensor, different for every epoch and
            example) to an example of static shapes.
        batch_size: examples of a batch, over all replicas.
        first_step: number of batches to skip, to go on where a run stopped.
        seed: integer.
        context: the `tf.distribute.InputContext` of this machine; None for a single replica.

    Returns:
        An endless `tf.data.Dataset` of the batches of this machine's replicas, one after the other.
    """
    context = context or tf.distribute.InputContext()
    replica_batch = batch_size // context.num_replicas_in_sync
    machines = context.num_input_pipelines
    part = None
    if split.part is not None and machines > 1:
        split, machines, batch_size = split.part(context), 1, batch_size // machines
        part = context.input_pipeline_id  # Whose indices are those of other parts, too.
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
    # Machines that may run out of data ask each other before every step, and have no static shapes.
    return batches.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))


def evaluation_batches(split, transform, *, batch_size, context=None):
    """Every example exactly once, on one of the machines, in order; all batches are full.

    All machines have the same number of batches: what is missing is filled up with zeros.

    Args:
        split: a `Split`.
        transform: function from a loaded example to an example of static shapes.
        batch_size: examples of a batch on one replica.
        context: the `tf.distribute.InputContext` of this machine; None for a single replica.

    Returns:
        A `tf.data.Dataset` of batches with `index` (B,), and `weight` (B,), 1 for an example and 0 for padding.
    """
    context = context or tf.distribute.InputContext()
    replicas_here = context.num_replicas_in_sync // context.num_input_pipelines
    share = math.ceil(split.size / context.num_input_pipelines)
    batches = math.ceil(share / (batch_size * replicas_here)) * replicas_here

    def example(key):
        return {**transform(split.load(key)), "index": key["index"], "weight": tf.constant(1.0)}

    keys = split.keys(None).shard(context.num_input_pipelines, context.input_pipeline_id)
    examples = keys.map(example, num_parallel_calls=CORES)
    nothing = tf.nest.map_structure(lambda spec: tf.zeros(spec.shape, spec.dtype), examples.element_spec)
    padded = examples.concatenate(tf.data.Dataset.from_tensors(nothing).repeat()).take(batches * batch_size)
    return padded.batch(batch_size, drop_remainder=True).prefetch(AHEAD)
