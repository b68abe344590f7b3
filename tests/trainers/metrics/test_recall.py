"""The recall of region proposals, by hand and against loops over all pairs."""

import numpy as np
import pytest

from keras_resnets import ArgumentError
from trainers.data.detection_dataset import Annotation
from trainers.metrics.recall import average_recall, recall

# Boxes of 10 by 10 pixels that do not touch.
A, B, C = ([x, 0, x + 10, 10] for x in (0, 20, 40))
A_80, B_60 = [0, 0, 10, 8], [20, 0, 30, 6]  # with IoUs of 0.8 and 0.6
NOWHERE = [200, 200, 210, 210]


def boxes(*rows):
    return np.asarray(rows, np.float32).reshape(-1, 4)


def objects(*rows, ignored=None):
    return Annotation.of(rows, [0] * len(rows), ignored)


def test_recall_by_hand():
    proposals = [boxes(NOWHERE, A_80, B), boxes(B_60, A)]
    annotations = [objects(A, B), objects(A, B)]
    # With the first one, two and three proposals, the best IoUs of the objects are
    # 0, 0, 0, 0.6; then 0.8, 0, 1, 0.6; then 0.8, 1, 1, 0.6.
    expected = [[1 / 4, 1 / 4, 0, 0], [3 / 4, 3 / 4, 2 / 4, 1 / 4], [4 / 4, 4 / 4, 3 / 4, 2 / 4]]
    np.testing.assert_array_equal(recall(proposals, annotations, [0.5, 0.6, 0.8, 0.81], [1, 2, 3]), expected)
    # 2 * (0.1); then 2 * (0.3 + 0.5 + 0.1); then 2 * (0.3 + 0.5 + 0.5 + 0.1), over 4 objects.
    np.testing.assert_allclose(average_recall(proposals, annotations, [1, 2, 3]), [0.05, 0.45, 0.7], rtol=1e-12)


def test_an_iou_of_exactly_the_threshold_is_enough():
    for height, threshold in ((5, 0.5), (7, 0.7), (10, 1.0)):
        figures = recall([boxes([0, 0, 10, height])], [objects(A)], [threshold, threshold + 1e-9], [1])
        np.testing.assert_array_equal(figures, [[1, 0]])


def test_one_proposal_covers_several_objects():
    two = objects([0, 0, 10, 10], [0, 0, 10, 9])
    np.testing.assert_array_equal(recall([boxes([0, 0, 10, 9.5])], [two], [0.9], [1]), [[1]])


def test_ignored_objects_do_not_count():
    annotations = [objects(A, B, ignored=[False, True])]
    for proposals, share in ((boxes(A), 1), (boxes(B), 0), (boxes(A, B), 1)):
        np.testing.assert_array_equal(recall([proposals], annotations, [0.5], [10]), [[share]])
        np.testing.assert_array_equal(average_recall([proposals], annotations, [10]), [share])


def test_proposals_of_another_image_do_not_help():
    np.testing.assert_array_equal(recall([boxes(A), boxes(B)], [objects(B), objects(A)], [0.5], [9]), [[0]])


def test_images_without_proposals_or_objects():
    proposals, annotations = [boxes(), boxes(A, B), boxes()], [objects(A), objects(), objects()]
    np.testing.assert_array_equal(recall(proposals, annotations, [0.5, 0.7], [1, 5]), np.zeros((2, 2)))
    np.testing.assert_array_equal(average_recall(proposals, annotations, [1, 5]), np.zeros(2))


def test_without_objects_recall_is_undefined():
    for images in ([], [objects()], [objects(A, ignored=[True])]):
        proposals = [boxes(A)] * len(images)
        np.testing.assert_array_equal(recall(proposals, images, [0.5, 0.7], [1]), [[np.nan, np.nan]])
        np.testing.assert_array_equal(average_recall(proposals, images, [1]), [np.nan])


def random_case(seed):
    random = np.random.default_rng(seed)
    proposals, annotations = [], []
    for _ in range(20):
        corners = random.integers(0, 60, (random.integers(0, 5), 2))
        truth = np.concatenate([corners, corners + random.integers(5, 40, corners.shape)], axis=1)
        copies = truth[random.integers(len(truth), size=6)] if len(truth) else np.zeros((0, 4), int)
        found = np.concatenate([copies + random.integers(-4, 5, copies.shape), [[0, 0, 50, 50]]])
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
        proposals.append(np.float32(random.permutation(found)))
        annotations.append(Annotation.of(truth, [0] * len(truth), random.random(len(truth)) < 0.2))
    return proposals, annotations


def best_iou(box, others):
    best = 0.0
    for other in others:
        width, height = (min(box[i + 2], other[i + 2]) - max(box[i], other[i]) for i in (0, 1))
        if width > 0 and height > 0:
            areas = [(x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in (box, other)]
            best = max(best, width * height / (sum(areas) - width * height))
    return best


@pytest.mark.parametrize("seed", range(3))
def test_the_same_as_loops_over_all_pairs(seed):
    proposals, annotations = random_case(seed)
    thresholds, counts = [0.3, 0.5, 0.7, 0.9], [1, 3, 7, 100]
    figures, averages = (
        recall(proposals, annotations, thresholds, counts),
        average_recall(proposals, annotations, counts),
    )
    for row, average, count in zip(figures, averages, counts):
        best = [
            best_iou(box.astype(float), found[:count].astype(float))
            for found, annotation in zip(proposals, annotations)
            for box, ignored in zip(annotation.boxes, annotation.ignored)
            if not ignored
        ]
        np.testing.assert_allclose(row, [np.mean([iou >= t for iou in best]) for t in thresholds], rtol=1e-12)
        assert average == pytest.approx(np.mean([2 * max(iou - 0.5, 0) for iou in best]), rel=1e-12)
    assert 0.1 < figures[0, 1] < figures[2, 1] <= figures[3, 1] < 1


def test_average_recall_is_the_mean_over_the_thresholds():
    proposals, annotations = random_case(7)
    thresholds = np.linspace(0.5, 1, 20_001)
    mean = recall(proposals, annotations, thresholds, [2, 5]).mean(axis=1)
    np.testing.assert_allclose(average_recall(proposals, annotations, [2, 5]), mean, atol=1e-4)


def test_wrong_arguments():
    with pytest.raises(ArgumentError, match="proposals of 1 images need as many annotations, not 2"):
        recall([boxes(A)], [objects(A), objects(B)], [0.5], [1])
    with pytest.raises(ArgumentError, match=r"counts=\(10, 0\) must be at least 1 each"):
        average_recall([boxes(A)], [objects(A)], [10, 0])
