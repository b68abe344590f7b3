"""Anchors, proposals and sums of a feature pyramid, against plain NumPy, torchvision's strides and cases by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_resnets import ArgumentError
from keras_resnets.layers import AnchorGenerator, Proposals, PyramidAnchors, PyramidProposals
from keras_resnets.layers.top_down_addition import TopDownAddition

TWO_LEVELS = {"sizes": (32, 64), "strides": (4, 8)}


@pytest.mark.parametrize(
    "layer",
    [
        PyramidAnchors((16, 32), (1, 3), (8, 16), 0, "corners", True),
        PyramidProposals(100, 10, 0.6, 5.0),
        TopDownAddition(),
    ],
)
def test_configurations(layer):
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(copy) is type(layer) and copy.get_config() == layer.get_config()


def test_anchors_are_those_of_each_map_with_one_size():
    maps = [np.zeros((1, 6, 5, 2), "float32"), np.zeros((1, 3, 3, 2), "float32")]
    made = PyramidAnchors(**TWO_LEVELS, offset=0, rounding="corners")(maps)
    for found, part, size, stride in zip(made, maps, *TWO_LEVELS.values(), strict=True):
        expected = AnchorGenerator((size,), stride=stride, offset=0, rounding="corners")(part)
        np.testing.assert_array_equal(found, expected)
    assert PyramidAnchors().per_cell == 3


def test_rounded_down_strides_are_those_of_maps_with_an_odd_side():
    # An image of 800x1056: its maps of stride 32 and 64 have 25 and 13 rows, 33 and 17 columns.
    sizes = [(200, 264), (100, 132), (50, 66), (25, 33), (13, 17)]
    maps = [np.zeros((1, *size, 1), "float32") for size in sizes]
    made = PyramidAnchors(ratios=(1,), offset=0, floor_strides=True)(maps)
    for anchors, (rows, columns), stride in zip(made, sizes, [(4, 4), (8, 8), (16, 16), (32, 32), (61, 62)]):
        corners = np.reshape(anchors, [rows, columns, 4])[..., :2]
        np.testing.assert_array_equal(
            corners[-1, -1] - corners[0, 0], [(columns - 1) * stride[1], (rows - 1) * stride[0]]
        )
    plain = PyramidAnchors(ratios=(1,), offset=0)(maps)
    np.testing.assert_array_equal(plain[4][17] - plain[4][0], [0, 64, 0, 64])


@pytest.mark.parametrize("sizes", [(32,), (32, 64, 128), ()])
def test_there_is_one_size_for_each_level(sizes):
    with pytest.raises(ArgumentError, match=r"anchor_sizes=\(.* must be 2 numbers, one for each level, with the strid"):
        PyramidAnchors(sizes, strides=(4, 8))
    with pytest.raises(ArgumentError, match=r"sizes=\(-1,\) of anchors must be positive"):
        PyramidAnchors((32, -1), strides=(4, 8))


def levels(counts=(60, 20, 7), seed=0):
    """Returns logits, deltas and anchors of levels for two images; all logits differ."""
    random = np.random.default_rng(seed)
    ranks = [random.permutation(sum(counts)).astype("float32") for _ in range(2)]
    logits = np.split(np.stack(ranks), np.cumsum(counts)[:-1], axis=1)
    deltas = [random.normal(0, 0.2, (2, count, 4)).astype("float32") for count in counts]
    corners = [random.uniform(0, 80, (count, 2)) for count in counts]
    anchors = [np.concatenate([low, low + random.uniform(8, 40, low.shape)], 1).astype("float32") for low in corners]
    return logits, deltas, anchors


SHAPES = np.int32([[90, 100], [70, 60]])


def run(layer, logits, deltas, anchors, shapes=SHAPES, jit_compile=False):
    call = tf.function(layer.__call__, jit_compile=True) if jit_compile else layer
    arguments = keras.tree.map_structure(tf.constant, ([*logits], [*deltas], [*anchors], shapes))
    proposals, valid = (tensor.numpy() for tensor in call(*arguments))
    assert proposals.dtype == "float32" and proposals.shape == (2, layer.post_nms_topk, 4)
    assert not proposals[~valid].any()
    return proposals, valid


def iou(one, others):
    sides = np.minimum(one[2:], others[:, 2:]) - np.maximum(one[:2], others[:, :2])
    shared = np.prod(np.maximum(sides, 0), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    return shared / (np.prod(one[2:] - one[:2]) + areas - shared)


def plain(logits, deltas, anchors, shape, pre, post, iou_threshold, min_size):
    """Returns the proposals of one image, by loops alone."""
    kept = []
    for scores, moves, of_level in zip(logits, deltas, anchors):
        sides = of_level[:, 2:] - of_level[:, :2]
        centers = (of_level[:, :2] + of_level[:, 2:]) / 2 + moves[:, :2] * sides
        sides = sides * np.exp(moves[:, 2:])
        height, width = shape
        found = np.clip(np.concatenate([centers - sides / 2, centers + sides / 2], 1), 0, [width, height] * 2)
        best = []
        for i in np.argsort(-scores)[:pre]:
            large = np.all(found[i, 2:] - found[i, :2] >= min_size)
            if large and all(iou(found[i], found[[j]]) <= iou_threshold for j in best):
                best.append(i)
        kept += [(scores[i], found[i]) for i in best]
    return np.array([box for _, box in sorted(kept, key=lambda pair: -pair[0])[:post]])


@pytest.mark.parametrize(
    "pre, post, min_size, jit_compile",
    [(1000, 12, 1e-3, False), (15, 60, 1e-3, False), (15, 60, 12, True), (5, 1000, 0.5, False)],
)
def test_proposals_are_those_of_plain_loops(pre, post, min_size, jit_compile):
    given = levels()
    proposals, valid = run(PyramidProposals(pre, post, 0.4, min_size), *given, jit_compile=jit_compile)
    for i in range(2):
        logits, deltas = ([part[i] for part in parts] for parts in given[:2])
        expected = plain(logits, deltas, given[2], SHAPES[i], pre, post, 0.4, min_size)
        assert np.sum(valid[i]) == len(expected) and valid[i][: len(expected)].all()
        assert 5 < len(expected) <= post
        np.testing.assert_allclose(proposals[i, : len(expected)], expected, rtol=0, atol=1e-4)


def test_one_level_is_what_the_layer_of_one_map_says():
    logits, deltas, anchors = levels((50,))
    proposals, valid = run(PyramidProposals(30, 10, 0.5), logits, deltas, anchors)
    expected, there = Proposals(30, 10, 0.5)(logits[0], deltas[0], anchors[0], SHAPES)
    np.testing.assert_allclose(proposals, expected, rtol=0, atol=1e-4)
    np.testing.assert_array_equal(valid, there)


def test_boxes_of_different_levels_do_not_suppress_each_other():
    same = [np.float32([[10, 10, 30, 30], [10, 10, 30, 30]])] * 2
    nothing = [np.zeros((2, 2, 4), "float32")] * 2
    logits = [np.float32([[1, 4], [1, 4]]), np.float32([[3, 2], [3, 2]])]
    _, valid = run(PyramidProposals(2, 6), logits, nothing, same)
    assert valid.sum(axis=1).tolist() == [2, 2]


def test_proposals_that_are_no_numbers_or_too_small_are_dropped():
    logits, deltas, anchors = levels((6, 3))
    layer = PyramidProposals(6, 9, 1.0, min_size=4)
    logits[0][0, 0] = deltas[0][0, 1, 2] = deltas[1][0, 0, 0] = np.nan
    deltas[0][0, 2, 3] = -5  # about a tenth of a pixel high
    logits[1][1] = np.nan
    anchors[0][:] = [[10 * i, 10, 10 * i + 9, 30] for i in range(6)]
    anchors[1][:] = [[5, 10 * i, 40, 10 * i + 20] for i in range(3)]
    proposals, valid = run(layer, logits, deltas, anchors)
    assert np.isfinite(proposals).all()
    assert valid.sum(axis=1)[0] == 9 - 4 and valid.sum(axis=1)[1] <= 6
    assert valid.any(axis=1).all()


def test_proposals_carry_no_gradient():
    logits, deltas, anchors = keras.tree.map_structure(tf.constant, [[*part] for part in levels()])
    with tf.GradientTape() as tape:
        tape.watch([logits, deltas])
        proposals, _ = PyramidProposals(15, 20)(logits, deltas, anchors, SHAPES)
    assert all(gradient is None for gradient in keras.tree.flatten(tape.gradient(proposals, [*logits, *deltas])))


@pytest.mark.parametrize("size", [(8, 10), (7, 9), (8, 1), (1, 1), (3, 6)])
@pytest.mark.parametrize("known", [True, False])
def test_the_coarser_map_is_added_with_each_cell_repeated(size, known):
    random = np.random.default_rng(0)
    half = [-(-side // 2) for side in size]
    fine, coarse = (random.normal(size=(2, *shape, 3)).astype("float32") for shape in (size, half))
    expected = fine + np.repeat(np.repeat(coarse, 2, axis=1), 2, axis=2)[:, : size[0], : size[1]]
    sides = [None, None] if not known else None
    inputs = [keras.Input((*(sides or shape), 3)) for shape in (size, half)]
    outputs = TopDownAddition()(inputs)
    assert outputs.shape == inputs[0].shape
    np.testing.assert_array_equal(keras.Model(inputs, outputs)([fine, coarse]), expected)
    if not any(side % 2 for side in size):
        nearest = tf.image.resize(coarse, size, "nearest")
        np.testing.assert_array_equal(TopDownAddition()([fine, coarse]), fine + nearest)
