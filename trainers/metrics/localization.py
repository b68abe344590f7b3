"""The error of ImageNet's localization challenge (Russakovsky et al., arXiv 1409.0575, section 4.2)."""

import numpy as np

from keras_resnets import ArgumentError
from trainers.metrics.boxes import ious
from trainers.metrics.means import mean_of_defined

MOST_GUESSES = 5  # of an image
IOU = 0.5  # that a box must exceed


def localization_error(predictions):
    """Returns the share of the images for which every guess is wrong.

    A guess is a box and a class. Its error is max(class, box): the one is 0 if the image has objects of the class, and
    the other if the IoU with one of them is above 0.5; otherwise they are 1. The error of an image is the least of its
    guesses', and 1 without any. Ignored objects count as not there, and so do images without other ones.

    Args:
        predictions: see `trainers.metrics.voc`: `boxes`, `classes`, `true_boxes`, `true_classes` and `ignored`, with at
            most five guesses for an image.

    Returns:
        A float from 0 to 1, or None if no image counts.

    Raises:
        ArgumentError: if there are more guesses.
    """
    most = int(np.max(np.sum(predictions["classes"] >= 0, axis=1), initial=0))
    if most > MOST_GUESSES:
        raise ArgumentError(f"an image has {most} guesses, and the challenge allows {MOST_GUESSES}.")
    columns = [predictions[name] for name in ("boxes", "classes", "true_boxes", "true_classes", "ignored")]
    return mean_of_defined([_image_error(*rows) for rows in zip(*columns)])


def _image_error(boxes, classes, true_boxes, true_classes, ignored):
    """Returns 0.0 or 1.0, or NaN for an image that does not count."""
    guesses, objects = np.flatnonzero(classes >= 0), np.flatnonzero((true_classes >= 0) & ~ignored.astype(bool))
    if not objects.size:
        return np.nan
    if not guesses.size:
        return 1.0
    found = ious(boxes[guesses], true_boxes[objects]) > IOU
    return float(not np.any(found & (classes[guesses, np.newaxis] == true_classes[objects])))
