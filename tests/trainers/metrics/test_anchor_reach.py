"""How many objects anchors reach."""

import numpy as np

from keras_resnets.layers import AnchorGenerator
from keras_resnets.ops.boxes import iou
from trainers.metrics.anchor_reach import anchor_reach, best_ious, doubling_sizes, in_words, inside, suggested_sizes


def random_boxes(count, side, seed=0):
    """Returns (count, 4) float32 of 8 to 120 pixels, in squares of `side` pixels."""
    random = np.random.default_rng(seed)
    sizes = np.minimum(random.uniform(8, 120, (count, 1)) * random.uniform(0.7, 1.4, (count, 2)), side)
    corners = random.uniform(0, 1, (count, 2)) * (side - sizes)
    return np.concatenate([corners, corners + sizes], axis=1).astype(np.float32)


def anchors_of(sizes, side, **arguments):
    return AnchorGenerator(sizes, **arguments)(np.zeros((1, side // 16, side // 16, 1))).numpy()


def test_the_best_ious_are_those_of_all_pairs_of_anchors_and_objects():
    boxes, anchors, shape = random_boxes(60, 192), anchors_of((32, 64, 128), 192), np.array([192, 160])
    everywhere = iou(boxes, anchors).numpy()
    is_inside = inside(anchors, shape)
    assert 0 < is_inside.sum() < len(anchors) and not np.any(anchors[is_inside][:, 2] > 160)
    found = best_ious(boxes, np.tile(shape, (60, 1)), anchors)
    for best, of_pairs in zip(found, (everywhere[:, is_inside], everywhere)):
        expected = of_pairs.max(axis=1)
        assert 5 < np.sum(expected >= 0.5) < 60
        at_least_half = expected >= 0.501
        np.testing.assert_allclose(best[at_least_half], expected[at_least_half], atol=1e-5)
        assert np.all(best[expected < 0.499] < 0.5)


def test_objects_are_counted_by_their_size():
    boxes = np.float32([[0, 0, 31, 32], [0, 0, 32, 32], [9, 9, 105, 104], [4, 4, 100, 100]])
    reach = anchor_reach(boxes, np.array([0.5, 0.7, 0.4, 0.9]))
    assert {name: reach[name] for name in ("objects", "reached_50", "reached_70")} == dict(
        objects=4, reached_50=3, reached_70=2
    )
    assert reach["small"] == {"objects": 1, "reached_50": 1, "reached_70": 0}
    assert reach["medium"] == {"objects": 2, "reached_50": 1, "reached_70": 1}
    assert reach["large"] == {"objects": 1, "reached_50": 1, "reached_70": 1}
    first, second = in_words(reach, "2 of 9 training images")
    assert first == "anchors reach 75.00% of 4 objects with an IoU of 0.5, and 50.00% with 0.7 (2 of 9 training images)"
    assert "small 1 of 1, medium 1 of 2, large 1 of 1" in second


def test_suggested_sizes_are_those_of_the_objects():
    squares = np.float32([[0, 0, side, side] for side in (16, 16, 16, 46, 44, 45, 130, 120, 128)])
    assert suggested_sizes(squares, 3) == [16, 45, 128]
    assert suggested_sizes(squares[:3], 3) == [16]  # All are of one size.
    boxes, shapes = random_boxes(200, 256, seed=1), np.full((200, 2), 256)
    reached = [
        np.mean(best_ious(boxes, shapes, anchors_of(sizes, 256))[1] >= 0.5)
        for sizes in ((128, 256, 512), suggested_sizes(boxes, 3))
    ]
    assert reached[1] > 0.8 > reached[0] + 0.2


def test_without_anchors_or_objects_nothing_is_reached():
    boxes, shapes, none = random_boxes(3, 64), np.full((3, 2), 64), np.zeros((0, 4), np.float32)
    assert [best.tolist() for best in best_ious(boxes, shapes, none)] == 2 * [[0, 0, 0]]
    assert anchor_reach(none, np.zeros(0))["objects"] == 0


def test_sizes_of_a_pyramid_double_around_the_objects():
    boxes = np.array([[0, 0, side, side] for side in (30, 32, 33, 100)], "float32")
    assert doubling_sizes(boxes, 5) == [8, 16, 32, 64, 128]
