"""Non-maximum suppression, against torchvision 0.29.1 and by hand."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from torch_tensors import REFERENCES

from keras_resnets.ops.nms import nms

ROW = np.float32([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10], [60, 0, 70, 10]])  # overlap nothing


def kept(boxes, is_candidate=None, iou_threshold=0.5, limit=8, jit_compile=False):
    """Returns the indices that are kept of each image's boxes, as lists, for boxes (N, 4) or (B, N, 4)."""
    boxes = np.reshape(boxes, [-1, np.shape(boxes)[-2], 4]).astype("float32")
    is_candidate = np.ones(boxes.shape[:2], bool) if is_candidate is None else np.array(is_candidate)
    run = functools.partial(nms, iou_threshold=iou_threshold, limit=limit)
    run = tf.function(run, jit_compile=True) if jit_compile else run
    indices, exists = run(boxes, is_candidate)
    assert indices.shape == exists.shape == (len(boxes), limit)
    # What exists comes first.
    np.testing.assert_array_equal(exists, np.sort(exists, axis=1)[:, ::-1])
    return [list(row[there]) for row, there in zip(indices.numpy(), exists.numpy())]


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("percent", [30, 50, 70])
def test_torchvision_keeps_the_same_boxes(percent, jit_compile):
    reference = np.load(REFERENCES / "nms.npz")
    order = np.argsort(-reference["scores"])
    boxes = reference["boxes"][order]
    # The second image has the boxes from the 101st on: the images must not mix.
    later = np.arange(len(boxes)) >= 100
    first, second = kept(
        np.stack([boxes, boxes]), [np.ones_like(later), later], percent / 100, len(boxes), jit_compile=jit_compile
    )
    np.testing.assert_array_equal(order[first], reference[f"keep_{percent}"])
    (alone,) = kept(boxes[100:], None, percent / 100, len(boxes))
    np.testing.assert_array_equal(second, np.array(alone) + 100)


@pytest.mark.parametrize(
    "other, iou, jit_compile",
    [
        ([0, 0, 5, 5], 0.25, False),
        ([0, 0, 3, 10], 0.3, False),
        ([0, 0, 10, 5], 0.5, False),
        ([0, 0, 10, 7], 0.7, False),
        ([0, 0, 10, 7], 0.7, True),
        ([0, 0, 10, 10], 1, False),
    ],
)
def test_an_iou_of_exactly_the_threshold_keeps_both(other, iou, jit_compile):
    pair = [[0, 0, 10, 10], other]
    assert kept(pair, iou_threshold=iou, jit_compile=jit_compile) == [[0, 1]]
    assert kept(pair, iou_threshold=iou - 1e-3, jit_compile=jit_compile) == [[0]]


def test_a_box_that_is_dropped_drops_no_other():
    chain = [[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]]
    assert kept(chain, iou_threshold=0.3) == [[0, 2]]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_what_has_no_area_is_dropped_and_drops_nothing(jit_compile):
    none = [[5, 5, 5, 9], [5, 5, 9, 5], [9, 9, 5, 5], [0, 0, 0, 0]]
    none += [[np.nan, 0, 10, 10], [0, 0, 10, np.nan], 4 * [np.nan]]
    images = [[box, ROW[0], box, ROW[1]] for box in none]
    assert kept(images, jit_compile=jit_compile) == len(images) * [[1, 3]]


def test_only_candidates_are_kept_and_they_alone_drop_others():
    boxes = np.concatenate([ROW, ROW])
    assert kept(boxes, [[True, False, True, False, True, True, True, False]]) == [[0, 2, 5]]
    assert kept(boxes, [[False] * 8]) == [[]]


def test_the_limit_keeps_the_best():
    assert kept(ROW, limit=3) == [[0, 1, 2]]
    assert kept(np.concatenate([ROW[:1], ROW]), limit=2) == [[0, 2]]
