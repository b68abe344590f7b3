"""Average precision of PASCAL VOC, by hand and against the devkit's rules in exact fractions."""

import json
from fractions import Fraction

import numpy as np
import pytest
from detections import as_predictions, random_images

from trainers.metrics.voc import curves, mean_average_precision

# Boxes of 10 by 10 pixels that do not touch.
A, B, C, D = ([x, 0, x + 10, 10] for x in (0, 20, 40, 60))
NOWHERE = [200, 200, 210, 210]


def curve_of(*images):
    """The curve of the class 0, of images as `as_predictions` takes them."""
    return curves(as_predictions(images), 1)[0]


def detected(*boxes):
    """Detections of the class 0 with falling scores."""
    return [(box, 0, 0.9 - index / 10) for index, box in enumerate(boxes)]


def objects(*boxes, ignored=False):
    return [(box, 0, ignored) for box in boxes]


def test_both_interpolations_by_hand():
    # Right, wrong, right, wrong: of four objects, two are found.
    curve = curve_of((detected(A, NOWHERE, B, NOWHERE), objects(A, B, C, D)))
    assert (curve.ground_truths, curve.detections) == (4, 4)
    np.testing.assert_array_equal(curve.precision, [1, 1 / 2, 2 / 3, 2 / 4])
    np.testing.assert_array_equal(curve.recall, [1 / 4, 1 / 4, 2 / 4, 2 / 4])
    # Until recall 1/4 the precision is 1, until 2/4 it is 2/3, and then 0.
    assert curve.average_precision == pytest.approx(1 / 4 * 1 + 1 / 4 * 2 / 3, abs=1e-15)
    # At 0, 0.1, 0.2 it is 1; at 0.3, 0.4, 0.5 it is 2/3; at the other five it is 0.
    assert curve.average_precision_11_point == pytest.approx((3 * 1 + 3 * 2 / 3) / 11, abs=1e-15)


def test_precision_that_rises_with_recall_is_interpolated():
    # Wrong, right, right: precision 0, 1/2, 2/3 at recall 0, 1/2, 1; the best from each recall on is 2/3.
    curve = curve_of((detected(NOWHERE, A, B), objects(A, B)))
    np.testing.assert_array_equal(curve.precision, [0, 1 / 2, 2 / 3])
    np.testing.assert_array_equal(curve.interpolated, [2 / 3, 2 / 3, 2 / 3])
    assert curve.average_precision == pytest.approx(2 / 3, abs=1e-15)
    assert curve.average_precision_11_point == pytest.approx(2 / 3, abs=1e-15)


def test_three_of_ten_objects_reach_the_recall_of_three_tenths():
    boxes = [[x, 0, x + 10, 10] for x in range(0, 200, 20)]
    curve = curve_of((detected(*boxes[:3]), objects(*boxes)))
    # Precision 1 at 0, 0.1, 0.2 and 0.3.
    assert curve.average_precision_11_point == pytest.approx(4 / 11, abs=1e-15)
    assert curve.average_precision == pytest.approx(3 / 10, abs=1e-15)


def test_an_object_found_twice_is_found_once():
    # The second detection overlaps both objects enough, and b most, which is found already: it is wrong.
    a, b, between = [0, 0, 10, 10], [2, 0, 12, 10], [1.5, 0, 11.5, 10]
    curve = curve_of((detected(b, between, a), objects(a, b)))
    np.testing.assert_array_equal(curve.precision, [1, 1 / 2, 2 / 3])
    np.testing.assert_array_equal(curve.recall, [1 / 2, 1 / 2, 1])
    # 1/2 * 1 + 1/2 * 2/3
    assert curve.average_precision == pytest.approx(5 / 6, abs=1e-15)


def test_equal_scores_are_taken_in_the_order_of_images_and_detections():
    right, wrong = (A, 0, 0.5), (NOWHERE, 0, 0.5)
    # 1 * 1, and 1 * 1/2
    assert curve_of(([right, wrong], objects(A))).average_precision == 1
    assert curve_of(([wrong, right], objects(A))).average_precision == 0.5
    assert curve_of(([right], objects(A)), ([wrong], [])).average_precision == 1
    assert curve_of(([wrong], []), ([right], objects(A))).average_precision == 0.5


def test_scores_are_compared_over_all_images():
    curve = curve_of(([(NOWHERE, 0, 0.3)], []), ([(A, 0, 0.2), (B, 0, 0.4)], objects(A, B)))
    np.testing.assert_array_equal(curve.precision, [1, 1 / 2, 2 / 3])


def test_ignored_objects_are_neither_right_nor_wrong_to_find():
    # A is ignored, and detected twice; B is detected last.
    curve = curve_of((detected(A, A, B), objects(A, ignored=True) + objects(B)))
    assert (curve.ground_truths, curve.detections) == (1, 3)
    np.testing.assert_array_equal(curve.precision, [1])
    np.testing.assert_array_equal(curve.recall, [1])
    # Not to find it costs nothing; to miss it is wrong.
    assert curve_of((detected(B), objects(A, ignored=True) + objects(B))).average_precision == 1
    assert curve_of((detected([8, 0, 18, 10], B), objects(A, ignored=True) + objects(B))).average_precision == 0.5


def test_an_ignored_object_that_is_overlapped_most_is_what_was_found():
    ignored, other = [0, 0, 10, 10], [0, 0, 10, 7]
    curve = curve_of((detected([0, 0, 10, 9]), objects(other) + objects(ignored, ignored=True)))
    assert (curve.ground_truths, curve.precision.size, curve.average_precision) == (1, 0, 0)


@pytest.mark.parametrize(
    "height, average_precision",
    [(5, 1), (4.99, 0), (4.9, 0)],  # 4.9: with "+1" the IoU would be 11 * 5.9 / 121 = 0.54
)
def test_an_iou_of_exactly_the_threshold_is_enough(height, average_precision):
    assert curve_of((detected([0, 0, 10, height]), objects(A))).average_precision == average_precision


def test_thresholds_that_are_no_binary_fractions():
    predictions = as_predictions([(detected([0, 0, 10, 7]), objects(A))])
    assert [curves(predictions, 1, threshold)[0].average_precision for threshold in (0.7, 0.71)] == [1, 0]


def test_only_objects_of_the_same_class_and_image_are_found():
    images = [([(A, 0, 0.9)], [(A, 1, False)]), ([(A, 1, 0.8)], [(B, 0, False), (A, 0, False)])]
    assert [curve.average_precision for curve in curves(as_predictions(images), 2)] == [0, 0]


def test_classes_without_objects_or_detections():
    # The class 0 is found, 1 is not detected, 2 is detected but is not there, and of 3 there is an ignored one only.
    detections = [(A, 0, 0.9), (NOWHERE, 2, 0.8), (C, 3, 0.7)]
    predictions = as_predictions([(detections, [(A, 0, False), (B, 1, False), (C, 3, True)]), ([], [])])
    result = curves(predictions, 4)
    assert [curve.ground_truths for curve in result] == [1, 1, 0, 0]
    assert [curve.detections for curve in result] == [1, 0, 1, 1]
    np.testing.assert_array_equal(result[2].precision, [0])
    for name in ("average_precision", "average_precision_11_point"):
        np.testing.assert_array_equal([getattr(curve, name) for curve in result], [1, 0, np.nan, np.nan])
    assert mean_average_precision(result) == {"map_50": 0.5, "map_50_11_point": 0.5}


def test_the_mean_of_nothing_can_be_written_as_json():
    for images in ([], [([], [])], [(detected(A), [])]):
        means = mean_average_precision(curves(as_predictions(images), 2))
        assert json.dumps(means, allow_nan=False) == '{"map_50": null, "map_50_11_point": null}'


def exact_iou(box, other):
    width, height = (min(box[i + 2], other[i + 2]) - max(box[i], other[i]) for i in (0, 1))
    if width <= 0 or height <= 0:
        return Fraction(0)
    sizes = [int(b[2] - b[0]) * int(b[3] - b[1]) for b in (box, other)]
    return Fraction(int(width * height), int(sum(sizes) - width * height))


def exact_points(images, label, iou_threshold):
    """The devkit's loop: the number of objects, and the points (precision, recall) of the curve, as fractions."""
    queue = [(image, box, score) for image, (rows, _) in enumerate(images) for box, c, score in rows if c == label]
    total = sum(c == label and not ignored for _, rows in images for _, c, ignored, _ in rows)
    seen, right, wrong, points = set(), 0, 0, []
    for image, box, _ in sorted(queue, key=lambda entry: -entry[2]):
        best, best_object = Fraction(-1), None
        for place, (other, c, ignored, _) in enumerate(images[image][1]):
            if c == label and exact_iou(box, other) > best:
                best, best_object = exact_iou(box, other), (image, place, ignored)
        if best >= iou_threshold and best_object[2]:
            continue
        if best >= iou_threshold and best_object not in seen:
            seen.add(best_object)
            right += 1
        else:
            wrong += 1
        points.append((Fraction(right, right + wrong), Fraction(right, max(total, 1))))
    return total, points


@pytest.mark.parametrize("iou_threshold", [Fraction(1, 2), Fraction(7, 10)])
def test_random_detections_against_exact_fractions(iou_threshold):
    images = random_images(seed=1, count=40, num_classes=4)
    result = curves(as_predictions(images), 4, float(iou_threshold))
    for label, curve in enumerate(result):
        total, points = exact_points(images, label, iou_threshold)
        assert curve.ground_truths == total
        np.testing.assert_array_equal(curve.precision, [float(precision) for precision, _ in points])
        np.testing.assert_array_equal(curve.recall, [float(recall) for _, recall in points])

        def best_from(recall, points=points):
            return max((p for p, r in points if r >= recall), default=Fraction(0))

        if total:
            # The curve falls only where one more object is found: its area is a mean over the objects.
            area = sum(best_from(Fraction(found, total)) for found in range(1, total + 1)) / total
            assert 0.1 < curve.average_precision == pytest.approx(float(area), abs=1e-14)
            eleven_points = sum(best_from(Fraction(tenths, 10)) for tenths in range(11)) / 11
            assert curve.average_precision_11_point == pytest.approx(float(eleven_points), abs=1e-14)
    assert np.isnan(result[3].average_precision) and result[3].detections
