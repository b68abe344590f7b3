"""Error rates of classification."""

import math
import statistics
from typing import Any

import numpy as np
import tensorflow as tf

CONFIDENCE = 0.95  # of `wilson_interval`


def ranked(labels: tf.Tensor, scores: tf.Tensor) -> dict[str, tf.Tensor]:
    """Compares scores with the labels.

    Of classes with equal scores, the first one ranks higher. A score of NaN ranks below all others.

    Args:
        labels: (B,) int32.
        scores: (B, classes), logits or probabilities.

    Returns:
        `label`, `predicted` and `rank`, (B,) int32 each; `rank` is the number of classes above the true one.
    """
    scores = tf.where(tf.math.is_nan(scores), scores.dtype.min, scores)
    order = tf.argsort(scores, axis=1, direction="DESCENDING", stable=True)
    rank = tf.argmax(order == labels[:, tf.newaxis], axis=1, output_type=tf.int32)
    return {"label": labels, "predicted": order[:, 0], "rank": rank}


def errors(labels: np.ndarray, probabilities: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Computes error rates with confidence intervals.

    Args:
        labels: (N,) int32.
        probabilities: (N, classes).

    Returns:
        The dict of `ranked`, as NumPy arrays; and a dict of `top1_error` and `top5_error`, fractions of the images, and
        `top1_interval` and `top5_interval`, [low, high] of `wilson_interval`.
    """
    predictions = {
        name: values.numpy() for name, values in ranked(tf.constant(labels), tf.constant(probabilities)).items()
    }
    metrics = {}
    for k in (1, 5):
        wrong = int(np.sum(predictions["rank"] >= k))
        metrics[f"top{k}_error"] = wrong / len(labels)
        metrics[f"top{k}_interval"] = list(wilson_interval(wrong, len(labels)))
    return predictions, metrics


def wilson_interval(count: int, total: int) -> tuple[float, float]:
    """Returns Wilson's 95 % confidence interval (1927), (low, high), of a share that is estimated as count / total."""
    z = statistics.NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    share, weight = count / total, z**2 / total
    center = share + weight / 2
    half = math.sqrt(share * (1 - share) * weight + weight**2 / 4)
    # min and max: rounding must not exclude the share itself.
    return min(share, (center - half) / (1 + weight)), max(share, (center + half) / (1 + weight))
