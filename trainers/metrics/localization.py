"""The error of ImageNet's localization challenge (Russakovsky et al., arXiv 1409.0575, section 4.2)."""

import numpy as np

from keras_resnets.errors import ArgumentError
from trainers.metrics.boxes import ious
from trainers.metrics.means import mean_of_defined
from trainers.metrics.predictions import Predictions

MAX_GUESSES = 5  # per image
IOU = 0.5  # that a right box exceeds


def localization_error(predictions: Predictions) -> float | None:
    """Returns the share of the images for which all guesses are wrong.

    A guess is a box and a class. It is right if the image has an object of this class whose IoU with the box is above
    0.5. Ignored objects do not count, and neither do images without other objects. An image without a guess is wrong.

    Args:
        predictions: see `trainers.metrics.predictions`; of these, `boxes`, `classes`, `true_boxes`, `true_classes` and
            `ignored`, with at most five guesses per image.

    Returns:
        The error, 0..1, or None if no image counts.

    Raises:
        ArgumentError: if an image has more than five guesses.
    """
    most = int(np.max(np.sum(predictions["classes"] >= 0, axis=1), initial=0))
    if most > MAX_GUESSES:
        raise ArgumentError(f"an image has {most} guesses, and the challenge allows {MAX_GUESSES}.")
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
