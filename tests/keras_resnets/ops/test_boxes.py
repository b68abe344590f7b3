"""Boxes, matching and sampling, against torchvision 0.29.1 where it has the same."""

import numpy as np
import pytest
import tensorflow as tf
from torch_tensors import REFERENCES

from keras_resnets.ops import boxes
from keras_resnets.ops.box_matching import BACKGROUND, IGNORED, match
from keras_resnets.ops.sampling import sample
from keras_resnets.ops.smooth_l1 import smooth_l1


@pytest.mark.parametrize("name, stds", [("unit", (1.0, 1.0, 1.0, 1.0)), ("roi", (0.1, 0.1, 0.2, 0.2))])
def test_encoded_and_decoded_boxes(name, stds):
    reference = np.load(REFERENCES / "box_coder.npz")
    encoded = boxes.encode(reference["reference"], reference["proposals"], stds)
    np.testing.assert_allclose(encoded, reference[f"encoded_{name}"], rtol=1e-4, atol=1e-4)
    decoded = boxes.decode(reference[f"deltas_{name}"], reference["proposals"], stds)
    np.testing.assert_allclose(decoded, reference[f"decoded_{name}"], rtol=1e-4, atol=1e-2)


def test_decoding_undoes_encoding_and_the_same_box_is_zero():
    random = np.random.default_rng(0)
    corners = random.uniform(0, 500, (2, 50, 2)).astype("float32")
    first, second = (
        np.concatenate([c, c + random.uniform(1, 300, (50, 2))], axis=1).astype("float32") for c in corners
    )
    decoded = boxes.decode(boxes.encode(first, second), second)
    np.testing.assert_allclose(decoded, first, rtol=1e-4, atol=1e-2)
    np.testing.assert_allclose(boxes.encode(first, first), np.zeros((50, 4)), atol=1e-5)


def test_large_deltas_are_clamped():
    box = boxes.decode(np.float32([[0, 0, 100, 100]]), np.float32([[0, 0, 16, 16]]))
    np.testing.assert_allclose(box, [[-492.0, -492.0, 508.0, 508.0]], rtol=1e-5)


def test_intersections_over_unions_and_matches():
    reference = np.load(REFERENCES / "matcher.npz")
    ious = boxes.iou(reference["boxes"], reference["ground_truth"])
    np.testing.assert_allclose(tf.transpose(ious), reference["iou"], atol=1e-6)
    everything = np.ones(7, bool)
    stored = reference["iou"].T
    np.testing.assert_array_equal(match(stored, everything, 0.7, 0.3, best_per_object=True), reference["rpn"])
    np.testing.assert_array_equal(match(stored, everything, 0.5, 0.5), reference["roi"])


def test_matches_by_hand():
    ious = np.array([[0.8, 0.1, 0.9], [0.4, 0.2, 0.0], [0.0, 0.2, 0.0], [0.1, 0.0, 0.0]], "float32")
    # The third object is padding; the second one's best candidates are a tie.
    matches = match(ious, np.array([True, True, False]), 0.7, 0.3, best_per_object=True)
    np.testing.assert_array_equal(matches, [0, 0, 1, BACKGROUND])
    np.testing.assert_array_equal(match(ious, np.array([True, True, False]), 0.7, 0.3), [0, IGNORED, -1, -1])
    np.testing.assert_array_equal(match(ious, np.zeros(3, bool), 0.7, 0.3, best_per_object=True), 4 * [BACKGROUND])


def test_boxes_are_clipped_to_their_own_image():
    wide = np.tile(np.array([[[-5.0, -5.0, 200.0, 200.0]]], "float32"), (2, 1, 1))
    shapes = np.array([[100, 150], [50, 60]], "int32")
    np.testing.assert_array_equal(boxes.clip(wide, shapes)[:, 0], [[0, 0, 150, 100], [0, 0, 60, 50]])
    inside = boxes.inside(np.array([[0.0, 0.0, 60.0, 50.0], [0.0, 0.0, 61.0, 50.0]], "float32"), shapes)
    np.testing.assert_array_equal(inside, [[True, True], [True, False]])


def test_boxes_without_area_overlap_nothing():
    nothing = np.float32([[3, 3, 3, 3], [5, 5, 4, 4]])
    others = np.float32([[0, 0, 10, 10], [3, 3, 3, 3]])
    np.testing.assert_array_equal(boxes.iou(nothing, others), np.zeros((2, 2)))


def test_smooth_l1():
    np.testing.assert_allclose(smooth_l1([0.5, -1.0, 2.0]), [0.125, 0.5, 1.5])
    np.testing.assert_allclose(smooth_l1([1 / 18, 1.0], beta=1 / 9), [1 / 72, 1 - 1 / 18], rtol=1e-6)


@tf.function(jit_compile=True)
def draw(kinds, seeds):
    """Returns a sample of 64, a quarter of which is foreground; background is 1, foreground is 2."""
    return sample(kinds == 2, kinds == 1, 64, 0.25, seeds)


@pytest.mark.parametrize("foreground, background", [(40, 200), (3, 200), (0, 200), (40, 10), (0, 0)])
def test_samples_are_balanced_random_and_of_static_size(foreground, background):
    kinds = np.random.default_rng(0).permutation(
        [2] * foreground + [1] * background + [0] * (300 - foreground - background)
    )
    kinds = np.tile(kinds, (2, 1))
    indices, counts = (tensor.numpy() for tensor in draw(tf.constant(kinds), tf.constant([[1, 2], [1, 3]])))
    assert indices.shape == counts.shape == (2, 64)
    for row in range(2):
        counted = indices[row][counts[row]]
        chosen = kinds[row][counted]
        assert len({*counted}) == len(counted)
        assert np.sum(chosen == 2) == min(foreground, 16)
        assert np.sum(chosen == 1) == min(background, 64 - min(foreground, 16)) and not np.any(chosen == 0)
        assert list(chosen) == sorted(chosen, reverse=True)
    assert np.any(indices[0] != indices[1]) or foreground + background == 0  # Their seeds differ.


def test_an_images_sample_depends_on_its_seed_alone():
    kinds = np.random.default_rng(0).integers(0, 3, (3, 200))

    def draw(images, seeds):
        chosen = kinds[images]
        return sample(chosen == 2, chosen == 1, 32, 0.5, tf.constant(seeds))[0].numpy()

    together = draw([0, 1, 2], [[5, 0], [5, 1], [5, 2]])
    np.testing.assert_array_equal(draw([2, 0], [[5, 2], [5, 0]]), together[[2, 0]])
    assert np.any(draw([0], [[6, 0]]) != together[0])


def test_a_sample_of_few_candidates_is_as_long_as_they_are():
    indices, counts = sample(np.ones((1, 5), bool), np.zeros((1, 5), bool), 8, 0.5, tf.constant([[0, 0]]))
    assert indices.shape == (1, 5) and np.sum(counts) == 4
