"""Boxes on images."""

import numpy as np

from trainers.plots.drawing import draw_detections, shade_masks


def test_boxes_are_drawn_in_the_color_of_their_class():
    image = np.full((60, 90, 3), 7, np.uint8)
    boxes = np.float32([[40, 30, 70, 50], [10, 20, 30, 40]])
    picture = draw_detections(image, boxes, [1, 0], ["cat", "dog"], [0.9, 0.8])
    assert picture.shape == image.shape and np.all(image == 7)
    # Below the label, lines are at the sides of a box, and its inside is the image.
    for (x1, _, x2, y2), color in zip(boxes.astype(int), [(60, 180, 75), (230, 25, 75)]):
        for row, column in [(y2 - 1, x1), (y2 - 1, x2 - 1), (y2 - 5, x1), (y2 - 5, x2 - 1)]:
            assert tuple(picture[row, column]) == color
        assert np.all(picture[y2 - 4 : y2 - 1, x1 + 1 : x2 - 1] == 7)
    without_scores = draw_detections(image, boxes, [1, 0], ["cat", "dog"])
    assert np.sum(without_scores != 7) < np.sum(picture != 7)


def test_an_image_without_boxes_stays():
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    np.testing.assert_array_equal(draw_detections(image, np.zeros((0, 4)), [], ["cat"]), image)


def test_masks_are_half_transparent_in_the_color_of_their_class():
    image = np.full((20, 30, 3), 100, np.uint8)
    mask = np.zeros((20, 30), np.uint8)
    mask[5:10, 3:20] = 1
    shaded = shade_masks(image, [mask], [1])
    assert tuple(shaded[5, 3]) == (50 + 30, 50 + 90, 50 + 37)  # of (60, 180, 75)
    assert np.all(shaded[mask == 0] == 100) and np.all(image == 100)
