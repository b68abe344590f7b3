"""Balanced random samples of static size."""

import functools

import tensorflow as tf


def sample(is_foreground, is_background, size, foreground_share, seeds):
    """Chooses candidates at random, foreground up to a share, then background up to the size.

    Args:
        is_foreground: (B, N) bool.
        is_background: (B, N) bool.
        size: number of candidates to choose in each image.
        foreground_share: largest part of them that is foreground, in [0, 1].
        seeds: (B, 2) integers, of each image's stateless random numbers: what is chosen does not depend on the batch.

    Returns:
        Indices (B, K) int32 with K = min(size, N), foreground first; and (B, K) bool, whether each counts: there may be
        fewer candidates than K.
    """
    count = tf.shape(is_foreground)[1]
    draw = functools.partial(tf.random.stateless_uniform, [count])
    priorities = tf.map_fn(draw, seeds, fn_output_signature=tf.TensorSpec([is_foreground.shape[1]], tf.float32))
    foreground = _at_most(is_foreground, priorities, int(size * foreground_share))
    left = size - tf.reduce_sum(tf.cast(foreground, tf.int32), axis=1, keepdims=True)
    background = _at_most(is_background & ~is_foreground, priorities, left)
    # Foreground has 2..3, background 1..2, the others 0.
    order = tf.where(foreground, priorities + 2, tf.where(background, priorities + 1, 0.0))
    count = size if is_foreground.shape[1] is None else min(size, is_foreground.shape[1])
    values, indices = tf.math.top_k(order, count)
    return indices, values > 0


def _at_most(chosen, priorities, limit):
    """Keeps the `limit` (an integer, or (B, 1)) candidates of highest priority."""
    order = tf.argsort(tf.where(chosen, priorities, -1.0), axis=1, direction="DESCENDING")
    ranks = tf.argsort(order, axis=1)
    return chosen & (ranks < limit)
