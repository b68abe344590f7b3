"""The error of the localization challenge, by hand."""

import numpy as np
import pytest
from detections import as_predictions

from keras_resnets import ArgumentError
from trainers.metrics.localization import localization_error

A, B = [0, 0, 10, 10], [20, 0, 30, 10]
HALF_OF_A = [0, 0, 10, 5]  # an IoU of exactly 0.5
MORE_THAN_HALF_OF_A = [0, 0, 10, 5.5]
NOWHERE = [50, 50, 60, 60]


def error(*images):
    """The error of images (guesses, objects): guesses are (box, class), objects (box, class[, ignored])."""
    rows = [
        ([(*guess, 0.5) for guess in guesses], [(*found, False)[:3] for found in objects])
        for guesses, objects in images
    ]
    return localization_error(as_predictions(rows))


@pytest.mark.parametrize(
    "guesses, objects, expected",
    [
        ([(A, 3)], [(A, 3)], 0),
        ([(A, 2)], [(A, 3)], 1),  # a wrong class
        ([(NOWHERE, 3)], [(A, 3)], 1),
        ([(HALF_OF_A, 3)], [(A, 3)], 1),
        ([(MORE_THAN_HALF_OF_A, 3)], [(A, 3)], 0),
        ([(B, 3)], [(A, 3), (B, 3)], 0),  # any of several objects will do
        ([(B, 3)], [(A, 3), (B, 2)], 1),  # but one of the class
        ([(NOWHERE, 3), (A, 2)], [(A, 3)], 1),  # class and box must be right together
        ([(A, 0), (A, 1), (A, 2), (NOWHERE, 3), (A, 3)], [(A, 3)], 0),
        ([], [(A, 3)], 1),
        ([(B, 3)], [(A, 3), (B, 3, True)], 1),  # an ignored object is not there
    ],
)
def test_one_image(guesses, objects, expected):
    assert error((guesses, objects)) == expected
    # Other images, whose rows are longer, leave it as it is.
    right = ([(A, 1)] * 5, [(A, 1)] * 3)
    assert error((guesses, objects), right, right, right) == expected / 4


def test_images_without_objects_do_not_count():
    assert error(([(A, 1)], []), ([(A, 1)], [(A, 1)]), ([(A, 1)], [(B, 1)])) == 0.5
    assert error(([(A, 1)], []), ([(A, 1)], [(A, 1, True)])) is None


def test_more_guesses_than_the_challenge_allows():
    with pytest.raises(ArgumentError, match="an image has 6 guesses, and the challenge allows 5"):
        error(([(A, 1)] * 6, [(A, 1)]))


def test_ignored_may_be_integers():
    predictions = as_predictions([([(A, 3, 0.5)], [(A, 3, False)])])
    assert localization_error({**predictions, "ignored": predictions["ignored"].astype(np.int32)}) == 0
