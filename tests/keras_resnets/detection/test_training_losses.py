"""What the proposal network and the network of regions learn from, against plain NumPy on cases made by hand."""

import numpy as np
import pytest
import tensorflow as tf

from keras_resnets.detection import FasterRCNNOptions
from keras_resnets.detection.region_losses import region_losses, sample_regions
from keras_resnets.detection.rpn import rpn_losses

PADDING = [-1, -1, -1, -1]
FOREGROUND, BACKGROUND, IGNORED = 1, 0, None
SHAPES = [[100, 100], [70, 95]]  # heights and widths
SEEDS = [[0, 0], [0, 1]]

# The first image's object is the first of these boxes.
ANCHORS = {
    "same": [10, 10, 50, 50],
    "close": [10, 10, 50, 46],
    "half": [10, 10, 50, 30],
    "none": [60, 60, 90, 70],
    "close, across the border": [-1, 10, 49, 50],
    "none, across the border": [80, 60, 120, 70],
}


def float32(x):
    return tf.constant(np.array(x, "float32"))


def objects(boxes, classes):
    return {"boxes": float32(boxes), "classes": tf.constant(classes)}


def encode(box, reference, stds=(1, 1, 1, 1)):
    box, reference = np.array(box, "float64"), np.array(reference, "float64")
    sizes, reference_sizes = box[2:] - box[:2], reference[2:] - reference[:2]
    shift = (box[:2] + box[2:] - reference[:2] - reference[2:]) / 2 / reference_sizes
    return np.concatenate([shift, np.log(sizes / reference_sizes)]) / stds


def smooth_l1(errors, beta):
    sizes = np.abs(errors)
    return np.sum(np.where(sizes < beta, sizes**2 / (2 * beta), sizes - beta / 2))


@pytest.fixture
def rpn_outputs():
    random = np.random.default_rng(0)
    return random.normal(0, 2, (2, len(ANCHORS))), random.normal(0, 0.5, (2, len(ANCHORS), 4))


def rpn(options, logits, deltas, targets, shapes=SHAPES):
    arguments = float32(logits), float32(deltas), float32([*ANCHORS.values()]), tf.constant(shapes), targets
    return {name: value.numpy() for name, value in rpn_losses(options, *arguments, tf.constant(SEEDS)).items()}


def plain_rpn_losses(logits, deltas, kinds, boxes, divisor, beta=1 / 9):
    """Sums over the anchors of all images, for their kinds and each image's only object."""
    sums = {"rpn_class": 0, "rpn_box": 0}
    for image, of_image in enumerate(kinds):
        for i, (anchor, kind) in enumerate(zip(ANCHORS.values(), of_image)):
            if kind is not IGNORED:
                sums["rpn_class"] += np.log1p(np.exp(logits[image, i] * (-1 if kind == FOREGROUND else 1)))
            if kind == FOREGROUND:
                sums["rpn_box"] += smooth_l1(deltas[image, i] - encode(boxes[image], anchor), beta)
    return {name: value / divisor for name, value in sums.items()}


def check(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, err_msg=name)


OBJECT = ANCHORS["same"]
INSIDE = [FOREGROUND, FOREGROUND, IGNORED, BACKGROUND, IGNORED, IGNORED]


def test_losses_of_all_anchors_with_a_fixed_divisor(rpn_outputs):
    targets = objects([[OBJECT, PADDING], [PADDING, PADDING]], [[2, -1], [-1, -1]])
    kinds = [INSIDE, 4 * [BACKGROUND] + 2 * [IGNORED]]
    for size in (64, 256):  # There are six anchors.
        found = rpn(FasterRCNNOptions(rpn_batch_size=size), *rpn_outputs, targets)
        check(found, plain_rpn_losses(*rpn_outputs, kinds, [OBJECT, None], 2 * size))


def test_anchors_across_the_border_count_if_asked_for(rpn_outputs):
    targets = objects([[OBJECT], [OBJECT]], [[0], [0]])
    kinds = 2 * [[FOREGROUND, FOREGROUND, IGNORED, BACKGROUND, FOREGROUND, BACKGROUND]]
    options = FasterRCNNOptions(rpn_batch_size=16, cross_boundary_anchors=True, rpn_smooth_l1_beta=0.7)
    check(rpn(options, *rpn_outputs, targets), plain_rpn_losses(*rpn_outputs, kinds, 2 * [OBJECT], 32, beta=0.7))


def test_the_border_is_that_of_each_image(rpn_outputs):
    targets = objects([[OBJECT], [OBJECT]], [[0], [0]])
    found = rpn(FasterRCNNOptions(rpn_batch_size=16), *rpn_outputs, targets, shapes=[[100, 100], [69, 95]])
    kinds = [INSIDE, [*INSIDE[:3], IGNORED, IGNORED, IGNORED]]
    check(found, plain_rpn_losses(*rpn_outputs, kinds, 2 * [OBJECT], 32))


def test_every_object_has_its_best_anchor_even_if_they_hardly_overlap(rpn_outputs):
    small = [85, 62, 90, 66]
    targets = objects([[small], [PADDING]], [[0], [-1]])
    kinds = [3 * [BACKGROUND] + [FOREGROUND, IGNORED, IGNORED], 4 * [BACKGROUND] + 2 * [IGNORED]]
    found = rpn(FasterRCNNOptions(rpn_batch_size=16), *rpn_outputs, targets)
    check(found, plain_rpn_losses(*rpn_outputs, kinds, [small, None], 32))


def test_an_objects_best_anchor_is_one_that_counts(rpn_outputs):
    box = [0, 10, 40, 50]  # The one across the border overlaps it most, "same" by 0.6, "close" and "half" less.
    kinds = [[FOREGROUND, IGNORED, IGNORED, BACKGROUND, IGNORED, IGNORED]] * 2
    found = rpn(FasterRCNNOptions(rpn_batch_size=16), *rpn_outputs, objects([[box], [box]], [[0], [0]]))
    check(found, plain_rpn_losses(*rpn_outputs, kinds, 2 * [box], 32))


def test_padding_is_never_matched_whatever_its_boxes(rpn_outputs):
    padded = objects([[PADDING, OBJECT], [OBJECT, OBJECT]], [[-1, 3], [-1, -1]])
    found = rpn(FasterRCNNOptions(rpn_batch_size=16), *rpn_outputs, padded)
    kinds = [INSIDE, 4 * [BACKGROUND] + 2 * [IGNORED]]
    check(found, plain_rpn_losses(*rpn_outputs, kinds, [OBJECT, None], 32))


def test_images_without_objects_or_anchors_inside_have_finite_losses_and_gradients(rpn_outputs):
    logits, deltas = map(float32, rpn_outputs)
    anchors, nothing = float32([*ANCHORS.values()]), objects([[PADDING]] * 2, [[-1]] * 2)
    with tf.GradientTape() as tape:
        tape.watch([logits, deltas])
        shapes, seeds = tf.constant([[100, 100], [5, 5]]), tf.constant(SEEDS)
        losses = rpn_losses(FasterRCNNOptions(), logits, deltas, anchors, shapes, nothing, seeds)
        loss = sum(losses.values())
    assert losses["rpn_box"] == 0 and losses["rpn_class"] > 0
    of_logits, of_deltas = tape.gradient(loss, [logits, deltas], unconnected_gradients="zero")
    assert np.count_nonzero(of_logits[0]) == 4 and not np.any(of_logits[1])
    assert not np.any(of_deltas)


def test_at_most_half_of_the_sampled_anchors_are_foreground():
    anchors = float32([OBJECT] * 40 + [ANCHORS["none"]] * 60)
    logits, deltas = tf.zeros([2, 100]), tf.zeros([2, 100, 4])
    targets = objects([[OBJECT], [[0, 0, 4, 4]]], [[0], [0]])  # nothing overlaps the second image's
    with tf.GradientTape() as tape:
        tape.watch(logits)
        arguments = anchors, tf.constant([[100, 100]] * 2), targets, tf.constant(SEEDS)
        loss = rpn_losses(FasterRCNNOptions(rpn_batch_size=32), logits, deltas, *arguments)["rpn_class"]
    gradient = tape.gradient(loss, logits).numpy()
    np.testing.assert_array_equal(np.sum(gradient < 0, axis=1), [16, 0])
    np.testing.assert_array_equal(np.sum(gradient > 0, axis=1), [16, 32])


PROPOSALS = {
    "close": [10, 10, 50, 46],
    "half": [10, 10, 50, 30],
    "little": [10, 10, 50, 29],
    "none": [60, 60, 90, 70],
    "other": [60, 10, 90, 42],
    "padding": [0, 0, 0, 0],
}
OBJECTS = {2: [10, 10, 50, 50], 0: [60, 10, 90, 40]}  # by their classes


@pytest.fixture
def regions():
    """Returns the function that samples regions of one image with two objects, by their boxes."""

    def run(options, boxes=None, targets=None, seed=0):
        boxes = boxes or [*PROPOSALS.values()]
        targets = targets or objects([[*OBJECTS.values(), PADDING]], [[*OBJECTS, -1]])
        exists = np.any(boxes, axis=-1)[np.newaxis]
        return sample_regions(options, float32([boxes]), tf.constant(exists), targets, tf.constant([[0, seed]]))

    return run


def by_box(found, sampled, name):
    """Returns a dict of an output of the first image's regions that count, by their boxes."""
    counts, values = sampled["valid"][0].numpy(), sampled[name][0].numpy()
    return {tuple(map(int, box)): value for box, value in zip(found[0].numpy()[counts], values[counts])}


def test_regions_and_objects_have_the_labels_of_what_they_overlap(regions):
    labels = by_box(*regions(FasterRCNNOptions(roi_batch_size=64)), "labels")
    expected = {"close": 3, "half": 3, "little": 0, "none": 0, "other": 1}
    expected = {tuple(PROPOSALS[name]): label for name, label in expected.items()}
    # The objects are regions, too; neither padding is.
    assert labels == expected | {tuple(box): label + 1 for label, box in OBJECTS.items()}


def test_the_background_can_be_what_overlaps_an_object_a_little(regions):
    labels = by_box(*regions(FasterRCNNOptions(roi_batch_size=64, roi_background_iou=(0.1, 0.475))), "labels")
    assert tuple(PROPOSALS["none"]) not in labels
    assert tuple(PROPOSALS["little"]) not in labels  # exactly 0.475
    labels = by_box(*regions(FasterRCNNOptions(roi_batch_size=64, roi_background_iou=(0.1, 0.48))), "labels")
    assert labels[tuple(PROPOSALS["little"])] == 0


def test_deltas_lead_to_the_object_in_standard_deviations(regions):
    stds = (0.1, 0.1, 0.2, 0.2)
    deltas = by_box(*regions(FasterRCNNOptions(roi_batch_size=64)), "deltas")
    for name, label in {"close": 2, "half": 2, "other": 0}.items():
        expected = encode(OBJECTS[label], PROPOSALS[name], stds)
        np.testing.assert_allclose(deltas[tuple(PROPOSALS[name])], expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(deltas[tuple(OBJECTS[0])], np.zeros(4), atol=1e-5)


def test_losses_of_all_regions_with_a_fixed_divisor(regions):
    random = np.random.default_rng(0)
    for size in (16, 64):  # There are nine regions at most.
        options = FasterRCNNOptions(roi_batch_size=size, roi_smooth_l1_beta=0.5)
        found, sampled = regions(options)
        count = found.shape[1]
        logits, deltas = random.normal(0, 2, (1, count, 4)), random.normal(0, 1, (1, count, 4, 4))
        losses = region_losses(options, float32(logits), float32(deltas), sampled)
        expected = {"region_class": 0, "region_box": 0}
        for i in np.flatnonzero(sampled["valid"][0]):
            label = int(sampled["labels"][0, i])
            expected["region_class"] += np.log(np.exp(logits[0, i]).sum()) - logits[0, i, label]
            if label > 0:
                expected["region_box"] += smooth_l1(deltas[0, i, label] - sampled["deltas"][0, i].numpy(), 0.5)
        check({k: v.numpy() for k, v in losses.items()}, {name: value / size for name, value in expected.items()})


def test_only_the_deltas_of_a_foreground_regions_own_class_learn(regions):
    found, sampled = regions(FasterRCNNOptions(roi_batch_size=64))
    deltas = tf.random.stateless_normal([1, found.shape[1], 4, 4], [0, 0])
    logits = tf.zeros(deltas.shape[:3])
    with tf.GradientTape() as tape:
        tape.watch(deltas)
        loss = region_losses(FasterRCNNOptions(), logits, deltas, sampled)["region_box"]
    learning = np.any(tape.gradient(loss, deltas), axis=-1)
    labels = np.where(sampled["valid"], sampled["labels"], 0)
    np.testing.assert_array_equal(learning, (np.arange(4) == labels[..., np.newaxis]) & (labels > 0)[..., np.newaxis])
    assert learning.sum() == 5


def test_an_image_without_objects_has_background_only_and_one_without_regions_nothing(regions):
    nothing = objects([[PADDING, PADDING]], [[-1, -1]])
    for boxes, count in ((None, 5), ([[0, 0, 0, 0]] * 3, 0)):
        found, sampled = regions(FasterRCNNOptions(), boxes, nothing)
        assert np.sum(sampled["valid"]) == count and not np.any(sampled["labels"])
        logits = tf.zeros([1, found.shape[1], 4])
        losses = region_losses(FasterRCNNOptions(), logits, tf.ones([*logits.shape, 4]), sampled)
        np.testing.assert_allclose(losses["region_class"], count * np.log(4) / 128, rtol=1e-5)
        assert losses["region_box"] == 0


def test_padded_objects_are_never_matched_whatever_their_boxes(regions):
    padded = objects([[PROPOSALS["none"], OBJECTS[2]]], [[-1, 2]])
    labels = by_box(*regions(FasterRCNNOptions(), targets=padded), "labels")
    assert labels[tuple(PROPOSALS["none"])] == 0 and labels[tuple(PROPOSALS["close"])] == 3


def test_at_most_a_quarter_of_the_sampled_regions_is_foreground(regions):
    boxes = [[10, 10, 50, 40 + i / 10] for i in range(50)] + [[60, 60, 90, 70 + i / 10] for i in range(50)]
    found, sampled = regions(FasterRCNNOptions(roi_batch_size=32), boxes)
    labels = sampled["labels"][0].numpy()
    assert found.shape == (1, 32, 4) and np.all(sampled["valid"])
    assert np.sum(labels > 0) == 8 and np.sum(labels == 0) == 24
    other, _ = regions(FasterRCNNOptions(roi_batch_size=32), boxes, seed=1)
    assert np.any(other != found)
