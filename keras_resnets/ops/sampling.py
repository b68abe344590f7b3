"""Balanced random samples of static size."""

import math

import tensorflow as tf


def sample(
    foreground: tf.Tensor,
    background: tf.Tensor,
    size: int,
    positive_fraction: float,
    seeds: tf.Tensor,
    stream: int = 0,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Samples candidates of each image: foreground up to a fraction, then background up to the size.

    Args:
        foreground: (B, N) bool.
        background: (B, N) bool.
        size: number of candidates to sample from each image.
        positive_fraction: largest fraction of foreground in the sample, in [0, 1]. If it is no whole number of
            candidates, it is rounded up in some images, so that it is right on average.
        seeds: (B, 2) integers, the seeds of each image's stateless random numbers. A sample does not depend on the
            other images of the batch.
        stream: integer that makes the sample independent of others with the same seeds.

    Returns:
        Indices (B, K) int32 with K = min(size, N), foreground first, and a mask (B, K) bool of the valid ones, since an
        image may have fewer candidates than K.
    """
    count = tf.shape(foreground)[1]

    def draw(seed):
        seed = tf.random.fold_in(seed, stream)
        priorities = tf.random.stateless_uniform([count], seed, minval=1.0, maxval=2.0)
        return priorities, tf.random.stateless_uniform([], tf.random.fold_in(seed, 0))

    specs = tf.TensorSpec([foreground.shape[1]], tf.float32), tf.TensorSpec([], tf.float32)
    priorities, rounding = tf.map_fn(draw, tf.convert_to_tensor(seeds), fn_output_signature=specs)
    size_or_all = size if foreground.shape[1] is None else min(size, foreground.shape[1])
    positives = round(size * positive_fraction, 6)
    most = tf.cast(tf.floor(positives + rounding), tf.int32)[:, tf.newaxis]
    positive, positive_valid = _best(foreground, priorities, min(size_or_all, math.ceil(positives)))
    positive_valid &= tf.range(positive.shape[1]) < most
    negative, negative_valid = _best(background & ~foreground, priorities, size_or_all)
    left = size - tf.reduce_sum(tf.cast(positive_valid, tf.int32), axis=1, keepdims=True)
    valid = tf.concat([positive_valid, negative_valid & (tf.range(size_or_all) < left)], axis=1)
    # Among equal values, top_k takes the first: valid candidates come before others, foreground before background.
    valid, places = tf.math.top_k(tf.cast(valid, tf.int32), size_or_all)
    return tf.gather(tf.concat([positive, negative], axis=1), places, batch_dims=1), valid > 0


def _best(candidates: tf.Tensor, priorities: tf.Tensor, count: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the indices (B, count) of the candidates of highest priority, and a mask of the valid ones."""
    values, indices = tf.math.top_k(tf.where(candidates, priorities, 0.0), count)
    return indices, values > 0
