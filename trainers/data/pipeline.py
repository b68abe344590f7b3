"""From a split to batches."""

import tensorflow as tf

MAX_EPOCHS = 2**31  # more than any run has


def training_batches(split, transform, *, batch_size, first_step, steps, seed):
    """An endless shuffled stream, cut into batches; what a batch holds depends on its step and the seed alone.

    One epoch follows the other without a gap, so every example is seen equally often and no batch is smaller.

    Args:
        split: a `Split`.
        transform: function from a loaded example and a seed (two int64 in a tensor, different for every epoch and
            example) to an example of static shapes.
        batch_size: examples of a batch.
        first_step: number of batches to skip, to go on where a run stopped.
        steps: number of batches of the whole run, the skipped ones included.
        seed: integer.

    Returns:
        A `tf.data.Dataset` of steps - first_step batches.
    """
    first_epoch, offset = divmod(first_step * batch_size, split.size)

    def epoch_keys(epoch):
        epoch_seed = tf.stack([tf.constant(seed, tf.int64), epoch])
        return split.keys(epoch_seed).map(lambda key: (epoch_seed, key))

    def example(epoch_seed, key):
        return transform(split.load(key), tf.random.fold_in(epoch_seed, key["index"]))

    return (
        tf.data.Dataset.range(first_epoch, MAX_EPOCHS)
        .flat_map(epoch_keys)
        .skip(offset)
        .map(example, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(batch_size, drop_remainder=True)
        .take(steps - first_step)
        .prefetch(tf.data.AUTOTUNE)
    )


def evaluation_batches(split, transform, *, batch_size):
    """Every example exactly once, in order; the last batch may be smaller.

    Args:
        split: a `Split`.
        transform: function from a loaded example to an example of static shapes.
        batch_size: examples of a batch.

    Returns:
        A `tf.data.Dataset` of batches.
    """
    examples = split.keys(None).map(lambda key: transform(split.load(key)), num_parallel_calls=tf.data.AUTOTUNE)
    return examples.batch(batch_size).prefetch(tf.data.AUTOTUNE)
