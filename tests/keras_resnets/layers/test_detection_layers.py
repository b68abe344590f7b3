"""Anchors, proposals, detections and normalization: torchvision's and Caffe's figures, cases by hand, plain NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from torch_tensors import REFERENCES

from keras_resnets import ArgumentError
from keras_resnets.layers import AnchorGenerator, Detections, ImageNormalization, Proposals
from keras_resnets.ops import boxes

STDS = (0.1, 0.1, 0.2, 0.2)


@pytest.mark.parametrize(
    "layer",
    [
        AnchorGenerator((32, 64), (1, 3), 8, 0, "corners"),
        Proposals(100, 10, 0.6, 5.0),
        Detections(0.1, 0.4, 7, (1.0, 1.0, 2.0, 2.0)),
        ImageNormalization((1.0, 2.0, 3.0), (4.0, 5.0, 6.0), bgr=True),
    ],
)
def test_configurations(layer):
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(copy) is type(layer) and copy.get_config() == layer.get_config()


def anchors(height, width, **kwargs):
    return AnchorGenerator(**kwargs)(np.zeros((1, height, width, 4), "float32")).numpy()


def test_anchors_are_torchvisions():
    reference = np.load(REFERENCES / "anchors_stride16.npz")
    np.testing.assert_array_equal(anchors(*reference["grid"], offset=0, rounding="corners"), reference["anchors"])


def test_anchors_are_those_of_py_faster_rcnn():
    inclusive = [
        [-84, -40, 99, 55],
        [-176, -88, 191, 103],
        [-360, -184, 375, 199],
        [-56, -56, 71, 71],
        [-120, -120, 135, 135],
        [-248, -248, 263, 263],
        [-36, -80, 51, 95],
        [-80, -168, 95, 183],
        [-168, -344, 183, 359],
    ]
    of_two_cells = anchors(1, 2, rounding="sizes")
    np.testing.assert_array_equal(of_two_cells[:9], np.add(inclusive, [0, 0, 1, 1]))
    np.testing.assert_array_equal(of_two_cells[9:], of_two_cells[:9] + [16, 0, 16, 0])


def test_the_papers_map_has_20000_anchors_and_those_of_py_faster_rcnn_lie_inside():
    everything = anchors(38, 63, rounding="sizes")
    assert everything.shape == (21_546, 4)
    assert np.sum(boxes.inside(everything, np.array([[600, 1000]]))) == 8_151


def test_anchors_have_exact_areas_and_ratios_and_their_cells_centre():
    sizes, ratios = (30, 70), (1 / 3, 1, 2.5)
    made = anchors(3, 2, sizes=sizes, ratios=ratios, stride=8).reshape(3, 2, 3, 2, 4)
    sides, centers = made[..., 2:] - made[..., :2], (made[..., :2] + made[..., 2:]) / 2
    of_cells = np.ones((3, 2, 3, 2))
    np.testing.assert_allclose(sides.prod(-1), of_cells * np.square(sizes), rtol=1e-5)
    np.testing.assert_allclose(sides[..., 1] / sides[..., 0], of_cells * np.reshape(ratios, [3, 1]), rtol=1e-5)
    for row, column in np.ndindex(3, 2):
        np.testing.assert_allclose(
            centers[row, column].reshape(-1, 2), 6 * [[8 * column + 4, 8 * row + 4]], rtol=0, atol=1e-5
        )


def test_the_number_of_anchors_is_known_where_the_maps_size_is():
    layer = AnchorGenerator()
    for size, count in (((4, 6), 4 * 6 * 9), ((4, None), None)):
        function = tf.function(layer, input_signature=[tf.TensorSpec([None, *size, 2])]).get_concrete_function()
        assert function.structured_outputs.shape.as_list() == [count, 4]
        np.testing.assert_array_equal(function(tf.zeros([2, 4, 6, 2])), anchors(4, 6))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"sizes": ()}, r"sizes=\(\) of anchors must be positive"),
        ({"ratios": (1, 0)}, r"ratios=\(1, 0\) of anchors must be positive"),
        ({"stride": 0}, "stride=0 must be a positive number"),
        ({"offset": -1}, "offset=-1 must be a number from 0 on"),
        ({"rounding": "pixels"}, "rounding='pixels' is unknown: use one of None, 'corners', 'sizes'"),
    ],
)
def test_anchors_that_cannot_be(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        AnchorGenerator(**arguments)


def test_the_old_name_of_the_anchors_of_a_cell_warns():
    layer = AnchorGenerator((32,), (1,))
    with pytest.warns(FutureWarning, match="around_zero is now called cell_anchors") as caught:
        np.testing.assert_array_equal(layer.around_zero(), layer.cell_anchors())
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Proposals(0, 10), "pre_nms_topk=0 must be a positive integer"),
        (lambda: Proposals(10, -1), "post_nms_topk=-1 must be a positive integer"),
        (lambda: Proposals(10, 5, 70), r"iou_threshold=70 must be a number in \[0, 1\]"),
        (lambda: Proposals(10, 5, min_size=-1), "min_size=-1 must be a number from 0 on"),
        (lambda: Detections(score_threshold=-0.1), r"score_threshold=-0\.1 must be a number in \[0, 1\]"),
        (lambda: Detections(iou_threshold=30), r"iou_threshold=30 must be a number in \[0, 1\]"),
        (lambda: Detections(max_detections=0), "max_detections=0 must be a positive integer"),
        (
            lambda: Detections(delta_stds=(0.1, 0.2)),
            r"delta_stds=\(0\.1, 0\.2\) must be a list of 4, each a positive num",
        ),
        (lambda: Detections(voting_iou=50), r"voting_iou=50 must be a number in \[0, 1\]"),
    ],
)
def test_proposals_and_detections_that_cannot_be(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


def propose(logits, deltas, of_anchors, image_shapes, layer, jit_compile=False):
    run = tf.function(layer.__call__, jit_compile=True) if jit_compile else layer
    inputs = *(np.array(x, "float32") for x in (logits, deltas, of_anchors)), np.array(image_shapes, "int32")
    return run(*map(tf.constant, inputs))


def test_proposals_by_hand():
    of_anchors = [[0, 0, 10, 10], [20, 0, 30, 10], [21, 0, 31, 10], [40, 40, 50, 50], [90, 70, 110, 90], [0, 50, 3, 60]]
    deltas = np.zeros((2, 6, 4))
    deltas[:, 0, 0] = 0.5  # half a width to the right
    deltas[:, 3, 2:] = np.log([2, 3])
    logits = [[1, 3, 2, 0, 4, 5], [1, 3, 2, 0, 4, 5]]
    # The last anchor is too narrow, the third overlaps the second; the fifth is outside of the second image.
    proposals, exists = propose(logits, deltas, of_anchors, [[75, 100], [58, 90]], Proposals(6, 7, min_size=4))
    nothing = [0, 0, 0, 0]
    first = [[90, 70, 100, 75], [20, 0, 30, 10], [5, 0, 15, 10], [35, 30, 55, 60], nothing, nothing, nothing]
    second = [[20, 0, 30, 10], [5, 0, 15, 10], [35, 30, 55, 58], nothing, nothing, nothing, nothing]
    np.testing.assert_allclose(proposals, [first, second], atol=1e-4)
    np.testing.assert_array_equal(exists, np.any(proposals, axis=-1))

    # Only the four best that are large enough are compared, and two of the rest are kept.
    proposals, exists = propose(logits, deltas, of_anchors, [[75, 100], [58, 90]], Proposals(4, 2, min_size=4))
    np.testing.assert_allclose(proposals, [first[:2], second[:2]], atol=1e-4)
    (boxes_left,), exists = propose(logits[:1], deltas[:1], of_anchors, [[75, 100]], Proposals(3, 3, min_size=4))
    np.testing.assert_allclose(boxes_left, [*first[:2], nothing], atol=1e-4)
    np.testing.assert_array_equal(exists, [[True, True, False]])


def test_a_proposals_smallest_side_is_inclusive_and_applies_after_clipping():
    of_anchors = [[0, 0, 8, 8], [20, 0, 28, 7], [95, 0, 105, 10]]
    (proposals,), _ = propose([[0, 1, 2]], np.zeros((1, 3, 4)), of_anchors, [[100, 100]], Proposals(3, 1, min_size=8))
    np.testing.assert_array_equal(proposals, [[0, 0, 8, 8]])


@pytest.mark.parametrize("jit_compile", [False, True])
def test_proposals_that_are_no_numbers_are_dropped(jit_compile):
    of_anchors = [[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10], [60, 0, 70, 10]]
    deltas = np.zeros((2, 4, 4))
    deltas[0, 1, 0] = deltas[0, 2, 3] = deltas[1] = np.nan
    logits = [[np.nan, 3, 2, 1], [4, 3, 2, 1]]
    proposals, exists = propose(logits, deltas, of_anchors, [[50, 90]] * 2, Proposals(4, 2), jit_compile)
    np.testing.assert_array_equal(proposals, [[of_anchors[3], 4 * [0]], np.zeros((2, 4))])
    np.testing.assert_array_equal(exists, [[True, False], [False, False]])


@pytest.fixture
def random_proposals():
    """Logits, deltas, anchors and image shapes of two images, with anchors that bfloat16 could not tell apart."""
    random = np.random.default_rng(0)
    corners = random.uniform(1000, 1100, (200, 2))
    of_anchors = np.concatenate([corners, corners + random.uniform(10, 40, (200, 2))], axis=1)
    logits = np.stack([random.permutation(200), random.permutation(200)])
    return logits, random.normal(0, 0.1, (2, 200, 4)), of_anchors, [[1100, 1150], [1090, 1080]]


def test_proposals_are_the_same_compiled_alone_and_in_mixed_precision(random_proposals):
    layer = Proposals(150, 40, 0.3)
    proposals, exists = propose(*random_proposals, layer)
    assert 10 < np.sum(exists) < 80
    half = Proposals(150, 40, 0.3, dtype="mixed_bfloat16")
    compiled, compiled_exists = propose(*random_proposals, half, jit_compile=True)
    assert compiled.dtype == "float32"
    np.testing.assert_array_equal(compiled_exists, exists)
    np.testing.assert_allclose(compiled, proposals, rtol=0, atol=1e-3)
    logits, deltas, of_anchors, shapes = random_proposals
    for i in range(2):
        alone, _ = propose(logits[i : i + 1], deltas[i : i + 1], of_anchors, shapes[i : i + 1], layer)
        np.testing.assert_array_equal(alone[0], proposals[i])


def test_proposals_carry_no_gradient(random_proposals):
    logits, deltas, of_anchors = (tf.constant(x, tf.float32) for x in random_proposals[:3])
    with tf.GradientTape() as tape:
        tape.watch([logits, deltas])
        proposals, _ = Proposals(150, 40)(logits, deltas, of_anchors, tf.constant(random_proposals[3]))
    assert tape.gradient(proposals, [logits, deltas]) == [None, None]


def detect(scores, deltas, regions, exists, image_shapes, jit_compile=False, **kwargs):
    layer = Detections(**kwargs)
    run = tf.function(layer.__call__, jit_compile=True) if jit_compile else layer
    scores, deltas, regions = (tf.constant(x, tf.float32) for x in (scores, deltas, regions))
    found = run(scores, deltas, regions, tf.constant(exists), tf.constant(image_shapes))
    assert found["boxes"].dtype == found["scores"].dtype == "float32"
    assert found["classes"].dtype == found["num_detections"].dtype == "int32"
    return {name: value.numpy() for name, value in found.items()}


@pytest.fixture
def by_hand():
    """The inputs for one image of 100x120 pixels, five regions and two classes, without deltas."""
    scores = [[0.6, 0.3], [0.5, 0.3], [0.04, 0.02], [0.04, 0.94], [0.5, 0.5]]
    regions = [[0, 0, 20, 20], [2, 0, 22, 20], [50, 50, 60, 60], [100, 80, 140, 120], [0, 50, 9, 59]]
    exists = [True, True, True, True, False]
    return {
        "scores": [scores],
        "deltas": np.zeros((1, 5, 2, 4)),
        "regions": [regions],
        "exists": [exists],
        "image_shapes": [[100, 120]],
    }


def test_detections_by_hand(by_hand):
    found = detect(**by_hand, max_detections=6)
    # The second region is dropped by the first in each class; the third is background, the last does not exist.
    np.testing.assert_allclose(found["scores"], [[0.94, 0.6, 0.3, 0, 0, 0]], atol=1e-6)
    np.testing.assert_array_equal(found["classes"], [[1, 0, 1, -1, -1, -1]])
    kept = [[100, 80, 120, 100], [0, 0, 20, 20], [0, 0, 20, 20]]
    np.testing.assert_allclose(found["boxes"], [kept + 3 * [[0, 0, 0, 0]]], atol=1e-4)
    np.testing.assert_array_equal(found["num_detections"], [3])


def test_detections_at_most_of_all_classes_together(by_hand):
    found = detect(**by_hand, max_detections=2)
    np.testing.assert_array_equal(found["classes"], [[1, 0]])
    np.testing.assert_array_equal(found["num_detections"], [2])


def test_a_detections_score_is_larger_than_the_threshold():
    of_equal_scores = np.full((1, 1, 3), 0.25), np.zeros((1, 1, 3, 4)), [[[0, 0, 20, 20]]], [[True]], [[100, 120]]
    assert detect(*of_equal_scores, score_threshold=0.25)["num_detections"] == [0]
    assert detect(*of_equal_scores, score_threshold=0.2499)["num_detections"] == [3]


def test_a_detections_box_is_that_of_its_class_and_deltas_have_standard_deviations(by_hand):
    by_hand["deltas"][0, 0, 0] = [2, 0, 0, np.log(2) / 0.2]
    by_hand["deltas"][0, 0, 1] = [0, 5, 0, 0]
    by_hand["exists"] = [[True, False, False, False, False]]
    found = detect(**by_hand)
    np.testing.assert_allclose(found["boxes"][0, :2], [[4, 0, 24, 30], [0, 10, 20, 30]], atol=1e-4)
    by_hand["deltas"] *= [0.1, 0.1, 0.2, 0.2]
    same = detect(**by_hand, delta_stds=(1.0, 1.0, 1.0, 1.0))
    np.testing.assert_allclose(same["boxes"], found["boxes"], atol=1e-4)


def test_detections_that_are_no_numbers_are_dropped(by_hand):
    by_hand["scores"][0][0] = [np.nan, np.nan]
    by_hand["deltas"][0, 3, 1] = np.nan
    found = detect(**by_hand, jit_compile=True)
    np.testing.assert_array_equal(found["num_detections"], [2])  # both of the second region
    np.testing.assert_array_equal(found["classes"][0, :3], [0, 1, -1])
    assert np.isfinite(found["boxes"]).all() and np.isfinite(found["scores"]).all()


def overlap(one, other):
    width, height = (min(one[i + 2], other[i + 2]) - max(one[i], other[i]) for i in range(2))
    intersection = max(width, 0) * max(height, 0)
    union = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)) - intersection
    return intersection / union


def plain_detections(scores, deltas, regions, exists, image_shape, score_threshold, iou_threshold, max_detections):
    """Returns (score, class, box) of one image, the best first, by loops alone."""
    height, width = image_shape
    found = []
    for label in range(scores.shape[1]):
        candidates = []
        for score, delta, region in zip(scores[exists, label], deltas[exists, label], regions[exists]):
            sides = region[2:] - region[:2]
            center = (region[:2] + region[2:]) / 2 + delta[:2] * STDS[:2] * sides
            sides = sides * np.exp(delta[2:] * STDS[2:])
            box = np.clip([*(center - sides / 2), *(center + sides / 2)], 0, [width, height, width, height])
            if score > score_threshold:
                candidates.append((score, label, box))
        kept = []
        for candidate in sorted(candidates, key=lambda c: -c[0]):
            if all(overlap(candidate[2], better[2]) <= iou_threshold for better in kept):
                kept.append(candidate)
        found += kept
    return sorted(found, key=lambda c: -c[0])[:max_detections]


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("max_detections", [15, 500])
def test_detections_are_those_of_plain_loops(max_detections, jit_compile):
    random = np.random.default_rng(1)
    scores, deltas = random.uniform(0, 0.5, (2, 40, 5)), random.normal(0, 1, (2, 40, 5, 4))
    corners = random.uniform(0, 60, (2, 40, 2))
    regions = np.concatenate([corners, corners + random.uniform(10, 40, (2, 40, 2))], axis=-1)
    exists, shapes = random.uniform(size=(2, 40)) < 0.9, [[80, 95], [90, 70]]
    limits = {"score_threshold": 0.05, "iou_threshold": 0.3, "max_detections": max_detections}
    found = detect(scores, deltas, regions, exists, shapes, jit_compile, **limits)
    for i in range(2):
        plain = plain_detections(scores[i], deltas[i], regions[i], exists[i], shapes[i], **limits)
        count = found["num_detections"][i]
        assert count == len(plain) and (count == 15 or max_detections == 500)
        their_scores, classes, their_boxes = zip(*plain)
        np.testing.assert_allclose(found["scores"][i, :count], their_scores, rtol=1e-5)
        np.testing.assert_array_equal(found["classes"][i, :count], classes)
        np.testing.assert_allclose(found["boxes"][i, :count], their_boxes, rtol=0, atol=1e-3)
        np.testing.assert_array_equal(found["classes"][i, count:], -1)
        assert not found["boxes"][i, count:].any() and not found["scores"][i, count:].any()
        assert found["scores"].shape == (2, max_detections)


def test_normalized_images_are_padded_with_zeros():
    images = np.random.default_rng(0).integers(0, 256, (2, 5, 6, 3), "uint8")
    mean, std = np.float32([120, 110, 100]), np.float32([60, 55, 50])
    expected = (images - mean) / std
    expected[0, 3:] = expected[1, :, 4:] = 0
    shapes = np.array([[3, 6], [5, 4]])
    np.testing.assert_allclose(ImageNormalization(mean, std)(images, shapes), expected, rtol=1e-6)
    padded_only = expected == 0
    np.testing.assert_array_equal(ImageNormalization(mean, std)(images, shapes).numpy()[padded_only], 0)
    np.testing.assert_allclose(ImageNormalization(mean, std, bgr=True)(images, shapes), expected[..., ::-1], rtol=1e-6)
    half = ImageNormalization(mean, std, dtype="mixed_bfloat16")(images, shapes)
    assert half.dtype == "bfloat16"
    np.testing.assert_array_equal(half, tf.cast(tf.constant(expected), "bfloat16"))


def test_statistics_that_cannot_be():
    for std in ((0, 1, 1), (1, 1), 2):
        with pytest.raises(ArgumentError, match="must have three values, std's positive"):
            ImageNormalization((0, 0, 0), std)


def test_what_lies_outside_of_an_image_may_be_no_number():
    images = np.full((1, 2, 2, 3), np.nan, "float32")
    images[0, 0, 0] = 7
    normalized = ImageNormalization((5, 5, 5), (2, 2, 2))(images, np.array([[1, 1]], "int32"))
    np.testing.assert_array_equal(normalized, [[[3 * [1], 3 * [0]], [3 * [0], 3 * [0]]]])
