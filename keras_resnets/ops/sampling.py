"""Balanced random samples of static size."""

import math

import tensorflow as tf


def sample(is_foreground, is_background, size, positive_fraction, seeds, stream=0):
    """Chooses candidates at random, foreground up to a share, then background up to the size.

    Args:
        is_foreground: (B, N) bool.
        is_background: (B, N) bool.
        size: number of candidates to choose in each image.
        positive_fraction: largest part of them that is foreground, in [0, 1]; where that is no whole number, it is one
            more in some of the images, so that the share is right on average.
        seeds: (B, 2) integers, of each image's stateless random numbers: what is chosen does not depend on the batch.
        stream: integer; other samples with the same seeds have another one.

    Returns:
        Indices (B, K) int32 with K = min(size, N), foreground first; and (B, K) bool, whether each counts: there may be
        fewer candidates than K.
    """
    count = tf.shape(is_foreground)[1]

    def draw(seed):
        seed = tf.random.fold_in(seed, stream)
        priorities = tf.random.stateless_uniform([count], seed, minval=1.0, maxval=2.0)
        return priorities, tf.random.stateless_uniform([], tf.random.fold_in(seed, 0))

    specs = tf.TensorSpec([is_foreground.shape[1]], tf.float32), tf.TensorSpec([], tf.float32)
    priorities, rounding = tf.map_fn(draw, tf.convert_to_tensor(seeds), fn_output_signature=specs)
    size_or_all = size if is_foreground.shape[1] is None else min(size, is_foreground.shape[1])
    share = round(size * positive_fraction, 6)
    most = tf.cast(tf.floor(share + rounding), tf.int32)[:, tf.newaxis]
    foreground = _best(is_foreground, priorities, min(size_or_all, math.ceil(share)))
    foreground = foreground[0], foreground[1] & (tf.range(foreground[0].shape[1]) < most)
    background = _best(is_background & ~is_foreground, priorities, size_or_all)
    left = size - tf.reduce_sum(tf.cast(foreground[1], tf.int32), axis=1, keepdims=True)
    counts = tf.concat([foreground[1], background[1] & (tf.range(size_or_all) < left)], axis=1)
    # Of equal values, top_k takes the first.
    counted, places = tf.math.top_k(tf.cast(counts, tf.int32), size_or_all)
    return tf.gather(tf.concat([foreground[0], background[0]], axis=1), places, batch_dims=1), counted > 0


def _best(chosen, priorities, count):
    """Returns (B, count) indices of the chosen candidates of highest priority, and whether there are so many."""
    values, indices = tf.math.top_k(tf.where(chosen, priorities, 0.0), count)
    return indices, values > 0
