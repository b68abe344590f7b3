"""Suppression of all classes at once, against that of each class on its own."""

import numpy as np
import pytest
import tensorflow as tf

from keras_resnets.layers import Detections, detections
from keras_resnets.ops.nms import nms, nms_by_class


def boxes(random, shape):
    corners = random.uniform(0, 60, (*shape, 2))
    return np.concatenate([corners, corners + random.uniform(5, 40, (*shape, 2))], axis=-1).astype("float32")


def kept(function, *arguments, jit_compile=False, **kwargs):
    """Returns the indices that are kept of each image's boxes, as lists."""

    def run(*arguments):
        return function(*arguments, **kwargs)

    run = tf.function(run, jit_compile=True) if jit_compile else run
    indices, valid = (tensor.numpy() for tensor in run(*map(tf.constant, arguments)))
    assert indices.shape == valid.shape == (len(arguments[0]), kwargs["limit"])
    np.testing.assert_array_equal(valid, np.sort(valid, axis=1)[:, ::-1])  # What exists comes first.
    return [list(row[there]) for row, there in zip(indices, valid)]


@pytest.mark.parametrize("iou_threshold, jit_compile", [(0.2, False), (0.8, False), (0.5, True)])
def test_each_class_is_on_its_own(iou_threshold, jit_compile):
    random = np.random.default_rng(0)
    some, classes = boxes(random, (2, 120)), random.integers(0, 4, (2, 120))
    valid = random.uniform(size=(2, 120)) < [[0.9], [0.5]]
    some[0, 5], some[0, 6, 2], some[1, 7, 2:] = some[0, 4], np.nan, some[1, 7, :2]  # a copy, no number, no area
    limits = {"iou_threshold": iou_threshold, "limit": 150}
    found = kept(nms_by_class, some, classes, valid, jit_compile=jit_compile, **limits)
    each = [kept(nms, some, valid & (classes == label), **limits) for label in range(4)]
    assert found == [sorted(sum(rows, [])) for rows in zip(*each)]
    best = kept(nms_by_class, some, classes, valid, iou_threshold=iou_threshold, limit=9, jit_compile=jit_compile)
    assert best == [row[:9] for row in found]


def test_the_numbers_of_classes_do_not_matter():
    random = np.random.default_rng(1)
    some, classes = boxes(random, (1, 80)), random.integers(0, 3, (1, 80))
    limits = {"iou_threshold": 0.4, "limit": 80}
    first = kept(nms_by_class, some, classes, np.ones((1, 80), bool), **limits)
    for renamed in (classes + 1000, -classes, classes * 2**20):
        assert kept(nms_by_class, some, renamed, np.ones((1, 80), bool), **limits) == first
    moved = kept(nms_by_class, some + np.float32(4096), classes, np.ones((1, 80), bool), **limits)
    assert moved == first


def test_a_long_chain_of_overlaps_is_gone_through_one_by_one():
    lefts = np.arange(100.0)
    chain = np.stack([lefts * 4, 0 * lefts, lefts * 4 + 10, 0 * lefts + 10], axis=-1)[np.newaxis].astype("float32")
    limits = {"iou_threshold": 0.3, "limit": 100}
    found = kept(nms_by_class, chain, np.zeros((1, 100), int), np.ones((1, 100), bool), **limits)
    assert found == [[*range(0, 100, 2)]]


def answers(monkeypatch, few, given, jit_compile=False, **options):
    """Returns the detections where the pairs of an image that are compared at once are `few` at most."""
    monkeypatch.setattr(detections, "BEST", few)
    layer = Detections(**options)
    run = tf.function(layer.__call__, jit_compile=True) if jit_compile else layer
    return {name: value.numpy() for name, value in run(*map(tf.constant, given)).items()}


def regions_of_images():
    """Returns the inputs of `Detections` for three images: many scores, few, none; some equal, or no numbers."""
    random = np.random.default_rng(2)
    scores = random.integers(0, 20, (3, 40, 5)).astype("float32") / 20  # Many are equal.
    scores[1] *= random.uniform(size=(40, 5)) < 0.1
    scores[2] = 0
    scores[0, 3, 2], scores[1, 4] = np.nan, np.nan
    deltas = random.normal(0, 1, (3, 40, 5, 4)).astype("float32")
    valid = random.uniform(size=(3, 40)) < 0.8
    return scores, deltas, boxes(random, (3, 40)), valid, np.int32([[90, 80], [60, 100], [50, 50]])


@pytest.mark.parametrize(
    "max_detections, jit_compile", [(10, False), (300, False), pytest.param(100, True, marks=pytest.mark.slow)]
)
def test_detections_are_the_same_at_once_and_class_by_class(max_detections, jit_compile, monkeypatch):
    given = regions_of_images()
    options = {"score_threshold": 0.05, "iou_threshold": 0.5, "max_detections": max_detections}
    at_once = answers(monkeypatch, 1024, given, jit_compile, **options)
    by_class = answers(monkeypatch, 1, given, jit_compile, **options)
    either = answers(monkeypatch, 150, given, jit_compile, **options)  # The first image has more.
    for name, value in at_once.items():
        np.testing.assert_array_equal(by_class[name], value, err_msg=name)
        np.testing.assert_array_equal(either[name], value, err_msg=name)
    counts = at_once["num_detections"]
    assert counts[0] >= min(max_detections, 40) and 0 < counts[1] < counts[0] + 1 and counts[2] == 0
    assert np.all(np.diff(at_once["scores"], axis=1) <= 0)


@pytest.mark.parametrize("few", [3, 1024])
def test_an_image_does_not_depend_on_its_batch(few, monkeypatch):
    given = regions_of_images()
    together = answers(monkeypatch, few, given, iou_threshold=0.5)
    for i in range(3):
        alone = answers(monkeypatch, few, [part[i : i + 1] for part in given], iou_threshold=0.5)
        for name, value in alone.items():
            np.testing.assert_array_equal(value[0], together[name][i], err_msg=name)


def test_detections_in_the_graph_of_a_session_are_those_outside():
    """There, as in an export, == compares Python objects, not tensors."""
    random = np.random.default_rng(5)
    some, scores = boxes(random, (2, 60)), random.uniform(size=(2, 60, 30)).astype("float32")
    arguments = [scores, np.zeros((2, 60, 30, 4), "float32"), some, np.ones((2, 60), bool), np.full((2, 2), 90)]
    layer = Detections(score_threshold=0.05, iou_threshold=0.5, max_detections=50)
    expected = layer(*map(tf.constant, arguments))
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        found = session.run(Detections.from_config(layer.get_config())(*map(tf.constant, arguments)))
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=0, atol=2e-4)
