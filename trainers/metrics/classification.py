"""Error rates of classification, and figures by class."""

import dataclasses
import math
import statistics
from typing import Any

import numpy as np
import tensorflow as tf

CONFIDENCE = 0.95  # of `wilson_interval`
MANY = 5  # classes, beyond which there is a top-5 error


@dataclasses.dataclass(frozen=True)
class ByClass:
    """Figures of each class, (classes,) each; NaN where there is nothing to divide by.

    Attributes:
        support: number of its images, integers.
        predicted: number of images that are predicted to be of it, integers.
        precision: share of `predicted` that is right, float64 in 0..1.
        recall: share of `support` that is right, float64 in 0..1.
        f1: harmonic mean of both, float64 in 0..1.
    """

    support: np.ndarray
    predicted: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray


def by_class(labels: np.ndarray, predicted: np.ndarray, classes: int) -> ByClass:
    """Returns the figures of each class.

    Args:
        labels: (N,) int32.
        predicted: (N,) int32, the likeliest classes.
        classes: how many there are.
    """
    support, chosen = (np.bincount(values, minlength=classes) for values in (labels, predicted))
    right = np.bincount(labels[labels == predicted], minlength=classes)
    with np.errstate(invalid="ignore"):
        return ByClass(support, chosen, right / chosen, right / support, 2 * right / (support + chosen))


def wrong_answers(ranks: np.ndarray, classes: int) -> dict[str, int]:
    """Returns how many images have labels that are not among the best 1 and 5 classes: `top1` and `top5`.

    Of up to five classes, there is no `top5`, which would always be 0.

    Args:
        ranks: (N,) int32 of `ranked`.
        classes: how many there are.
    """
    return {f"top{k}": int(np.sum(ranks >= k)) for k in ((1, MANY) if classes > MANY else (1,))}


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
        `top1_interval` and `top5_interval`, [low, high] of `wilson_interval`. Up to five classes have no top-5 error.
    """
    predictions = {
        name: values.numpy() for name, values in ranked(tf.constant(labels), tf.constant(probabilities)).items()
    }
    metrics = {}
    for name, wrong in wrong_answers(predictions["rank"], probabilities.shape[1]).items():
        metrics[f"{name}_error"] = wrong / len(labels)
        metrics[f"{name}_interval"] = list(wilson_interval(wrong, len(labels)))
    return predictions, metrics


def wilson_interval(count: int, total: int) -> tuple[float, float]:
    """Returns Wilson's 95 % confidence interval (1927), (low, high), of a share that is estimated as count / total."""
    z = statistics.NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    share, weight = count / total, z**2 / total
    center = share + weight / 2
    half = math.sqrt(share * (1 - share) * weight + weight**2 / 4)
    # min and max: rounding must not exclude the share itself.
    return min(share, (center - half) / (1 + weight)), max(share, (center + half) / (1 + weight))
