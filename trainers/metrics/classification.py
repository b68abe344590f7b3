"""Error rates of classification."""

import math
import statistics

import numpy as np
import tensorflow as tf


def ranked(labels, scores):
    """Returns how good scores are: a dict of `label`, `predicted` and `rank`.

    Of classes with the same score, the first is better; a score that is not a number is never right.

    Args:
        labels: (B,) int32.
        scores: (B, classes), logits or probabilities.

    Returns:
        Three (B,) int32; `rank` is how many classes are better than the true one.
    """
    scores = tf.where(tf.math.is_nan(scores), scores.dtype.min, scores)
    order = tf.argsort(scores, axis=1, direction="DESCENDING", stable=True)
    rank = tf.argmax(order == labels[:, tf.newaxis], axis=1, output_type=tf.int32)
    return {"label": labels, "predicted": order[:, 0], "rank": rank}


CONFIDENCE = 0.95


def errors(labels, probabilities):
    """Returns what is wrong with probabilities.

    Args:
        labels: (N,) int32.
        probabilities: (N, classes).

    Returns:
        What `Classification.predictions` returns, as NumPy arrays, and a dict of `top1_error` and `top5_error`,
        fractions of images, and `top1_interval` and `top5_interval`, lists of two: see `wilson_interval`.
    """
    predictions = {
        name: values.numpy() for name, values in ranked(tf.constant(labels), tf.constant(probabilities)).items()
    }
    figures = {}
    for k in (1, 5):
        wrong = int(np.sum(predictions["rank"] >= k))
        figures[f"top{k}_error"] = wrong / len(labels)
        figures[f"top{k}_interval"] = list(wilson_interval(wrong, len(labels)))
    return predictions, figures


def wilson_interval(count, total):
    """Returns the 95 % confidence interval (low, high) of a share, by Wilson (1927), of which `count` of `total` are a
    sample.
    """
    z = statistics.NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    share, weight = count / total, z**2 / total
    centre = share + weight / 2
    half = math.sqrt(share * (1 - share) * weight + weight**2 / 4)
    # Rounding must not leave the share outside.
    return min(share, (centre - half) / (1 + weight)), max(share, (centre + half) / (1 + weight))
