"""Box voting and box refinement, on boxes that can be computed by hand."""

import numpy as np
import pytest
from narrow_detectors import SEEDS, inputs

import keras_resnets
from keras_resnets import FasterRCNN
from keras_resnets.layers import Detections
from keras_resnets.ops import boxes
from keras_resnets.ops.box_voting import box_voting


def test_a_kept_box_is_the_mean_of_the_boxes_around_it():
    around = np.float32([[0, 0, 10, 10], [0, 0, 12, 10], [50, 50, 60, 60], [0, 0, 10, 30]])
    voted = box_voting(around[:1], around, np.float32([0.9, 0.3, 0.8, 0.7]), 0.5)
    # The IoU of the fourth is a third, that of the second five sixths.
    np.testing.assert_allclose(voted, [[0, 0, (0.9 * 10 + 0.3 * 12) / 1.2, 10]], rtol=1e-6)
    np.testing.assert_allclose(box_voting(around[:1], around, np.float32([0.9, 0.3, 0.8, 0.7]), 0.9), around[:1])
    nothing = np.zeros((2, 4), "float32")
    np.testing.assert_array_equal(box_voting(nothing, around, np.zeros(4, "float32"), 0.5), nothing)


def detect(voting_iou):
    """Detections of two overlapping regions of class 0, scores 0.9 and 0.5, and one of class 1, score 0.5."""
    regions = np.float32([[[0, 0, 20, 20], [4, 0, 24, 20], [4, 0, 24, 20]]])
    scores = np.float32([[[0.9, 0], [0.5, 0], [0, 0.5]]])
    layer = Detections(0.1, 0.3, 5, voting_iou=voting_iou)
    return layer(scores, np.zeros((1, 3, 2, 4), "float32"), regions, np.ones((1, 3), bool), np.int32([[40, 40]]))


def test_voting_moves_boxes_and_leaves_scores_and_other_classes():
    plain, voted = detect(None), detect(0.5)
    for name in ("scores", "classes", "num_detections"):
        np.testing.assert_array_equal(voted[name], plain[name])
    np.testing.assert_allclose(plain["boxes"][0, 0], [0, 0, 20, 20])
    shift = 0.5 * 4 / 1.4
    np.testing.assert_allclose(voted["boxes"][0, 0], [shift, 0, 20 + shift, 20], rtol=1e-5)
    np.testing.assert_allclose(voted["boxes"][0, 1:], plain["boxes"][0, 1:], rtol=1e-5)


def test_refined_boxes_are_classified_again(randomize):
    options = {
        "anchor_sizes": (16, 32),
        "pool_size": 4,
        "rpn_filters": 16,
        "test_post_nms_topk": 20,
        "score_threshold": 0.0,
    }
    net = keras_resnets.ResNet((1, 1, 1, 1), (8, 8, 16, 16), include_top=False)
    plain = FasterRCNN(3, net, **options)
    refined = FasterRCNN(3, net, box_refinement=True, voting_iou=0.5, **options)
    for part in ("trunk", "rpn", "region_network", "head"):
        getattr(refined, part).set_weights(randomize(getattr(plain, part)).get_weights())
    features, proposals, valid = plain.propose(inputs())
    shapes = inputs()["image_shapes"]
    scores, deltas = plain.score(features, proposals, shapes)
    best = np.argmax(scores, axis=-1)[..., np.newaxis, np.newaxis]
    chosen = np.take_along_axis(np.array(deltas), best, axis=2)[:, :, 0]
    moved = boxes.clip(boxes.decode(chosen, proposals, (0.1, 0.1, 0.2, 0.2)), shapes)
    assert np.any(np.abs(moved - proposals) > 1)
    again = plain.score(features, moved, shapes)
    both = [np.concatenate(pair, axis=1) for pair in zip((scores, deltas, proposals, valid), (*again, moved, valid))]
    expected = refined.detections(*both, shapes)
    for name, value in refined(inputs()).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-4, atol=1e-3)
    losses = [model.training_losses(inputs(), _targets(), np.array(SEEDS)) for model in (plain, refined)]
    # Training is not affected.
    assert float(losses[0]["region_class"]) == pytest.approx(float(losses[1]["region_class"]))


def _targets():
    return {"boxes": np.float32([[[5, 5, 40, 40]]] * 2), "classes": np.int32([[1]] * 2)}


def test_a_region_that_was_moved_out_of_the_image_is_no_detection():
    net = keras_resnets.ResNet((1, 1, 1), (8, 8, 8), include_top=False)
    detector = keras_resnets.FastRCNN(1, net, pool_size=4, box_refinement=True, score_threshold=0.1)
    regions, valid = np.float32([[[40, 10, 60, 30]]]), np.array([[True]])

    def score(regions):
        # Two and a half widths to the right, in standard deviations of a tenth.
        return np.float32([[[0.9]]]), np.float32([[[[25, 0, 0, 0]]]])

    found = detector.detect_by(score, regions, valid, np.int32([[64, 64]]))
    assert found["num_detections"] == [0]
