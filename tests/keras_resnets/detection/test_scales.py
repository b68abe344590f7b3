"""Features at several scales: which of them a region has, and how they are merged."""

import numpy as np
import pytest
import tensorflow as tf
from narrow_detectors import SHAPES, assert_same, inputs, noise

import keras_resnets
from keras_resnets import FasterRCNN, FastRCNN
from keras_resnets.detection.region_detector import choose_scales
from keras_resnets.layers import RoIPooling
from keras_resnets.ops.boxes import areas
from keras_resnets.ops.resize import rescale

OPTIONS = {"pool_size": 4, "max_detections": 10}
SCALES = (0.5, 1.0, 2.0)
PROPOSALS = np.float32([[[2, 3, 22, 23], [20, 30, 40, 50], [50, 10, 70, 30], [56, 40, 76, 60]]] * 2)
OF_ALL_SIZES = np.float32([[[2, 3, 12, 10], [5, 0, 75, 45], [50, 10, 70, 30], [1, 1, 41, 38], [0, 0, 80, 48]]] * 2)


def backbone():
    return keras_resnets.ResNet((1, 1, 1, 1), (8, 8, 16, 16), include_top=False)


@pytest.fixture
def fast(randomize):
    """Returns the function that makes small detectors, all with the same weights."""

    def make(**options):
        made = FastRCNN(3, backbone(), **OPTIONS | options)
        for part in (made.trunk, made.region_network, made.head):
            randomize(part)
        return made

    return make


def test_a_region_has_the_scale_at_which_it_is_nearest_to_224_pixels_squared():
    sides = np.float32([10, 224, 448, 112, 300, 1000])
    regions = np.stack([0 * sides, 0 * sides, sides, sides], axis=1)[np.newaxis]
    # A side of 300 is 150 at half the size: its area is 27,676 from 224^2, and at its own size 39,824.
    np.testing.assert_array_equal(choose_scales(regions, SCALES, 1, 224.0)[0, :, 0], [2, 1, 0, 2, 0, 0])
    # Of two adjacent scales: 112 has 0 + 37,632 at (1, 2), and 47,040 + 37,632 at (0.5, 1).
    np.testing.assert_array_equal(
        choose_scales(regions, SCALES, 2, 224.0)[0], [[1, 2], [0, 1], [0, 1], [1, 2], [0, 1], [0, 1]]
    )


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_scales_are_those_of_a_loop_over_all_runs(count):
    scales = (1 / 3, 2 / 3, 1.0, 4 / 3, 5 / 3)  # ResNet's, of short sides from 200 to 1,000
    random = np.random.default_rng(0)
    corners = random.uniform(0, 300, (3, 40, 2))
    regions = np.concatenate([corners, corners + random.uniform(1, 900, (3, 40, 2))], axis=2).astype("float32")
    found = choose_scales(regions, scales, count, 224.0)
    assert found.shape == (3, 40, count) and found.dtype == tf.int32
    chosen = set()
    for region, indices in zip(regions.reshape(-1, 4), found.numpy().reshape(-1, count)):
        x1, y1, x2, y2 = region.tolist()
        costs = {
            first: sum(abs((x2 - x1) * scale * (y2 - y1) * scale - 224**2) for scale in scales[first : first + count])
            for first in range(len(scales) - count + 1)
        }
        first = min(costs, key=costs.get)
        chosen.add(first)
        assert indices.tolist() == [*range(first, first + count)]
    assert len(chosen) == len(scales) - count + 1


@pytest.mark.parametrize("scale, size", [(0.5, (32, 48)), (0.25, (16, 24)), (2.0, (128, 192)), (1.5, (96, 144))])
def test_resized_images_are_tensorflows(scale, size):
    images = noise()
    expected = tf.image.resize(images, size, antialias=True)
    # TensorFlow's weights are differences of positions of up to 96 pixels in float32.
    np.testing.assert_allclose(rescale(images, scale), expected, rtol=0, atol=96 * 2**-23 * 255)


@pytest.mark.parametrize("scale, shape", [(0.51, (33, 49)), (1.67, (107, 160)), (0.001, (1, 1))])
def test_the_factor_is_exact_whatever_the_size(scale, shape):
    ramp = np.arange(96, dtype="float32") + 0.5  # the x of every pixel
    images = np.broadcast_to(ramp[:, np.newaxis], (1, 64, 96, 3)).astype("float16")
    resized = rescale(tf.constant(images), scale)
    assert resized.shape == (1, *shape, 3) and resized.dtype == "float16"
    centers = (np.arange(shape[1]) + 0.5) / scale
    inside = slice(2, -2)  # The filter has no pixels beyond the border.
    np.testing.assert_allclose(resized[0, 0, inside, 0], centers[inside], rtol=2e-3)


def test_regions_that_fit_scale_1_are_found_as_without_other_scales(fast):
    plain, multi = fast(), fast(scales=SCALES, scales_per_region=1, canonical_size=20.0)
    asked = inputs() | {"proposals": PROPOSALS}
    np.testing.assert_array_equal(choose_scales(PROPOSALS, SCALES, 1, 20.0), np.ones((2, 4, 1)))
    expected = plain(asked)
    assert_same(multi(asked), expected, 1e-6)
    small = fast(scales=SCALES, scales_per_region=1, canonical_size=40.0)(asked)
    assert np.max(np.abs(small["scores"] - expected["scores"])) > 1e-3


def by_hand(detector, regions, shapes, count):
    """Returns what `score` returns, region by region."""
    images = detector.normalization(inputs()["images"], np.array(shapes))
    pooling, scales = RoIPooling(4, 16), detector.options.scales
    pooled = [pooling(detector.trunk(rescale(images, scale)), regions * np.float32(scale)) for scale in scales]
    chosen = np.array(choose_scales(regions, scales, count, detector.options.canonical_size))
    assert len(np.unique(chosen[..., 0])) == len(scales) - count + 1  # Otherwise this would say little.
    batch, number = regions.shape[:2]
    features = [
        np.maximum.reduce([detector.region_network(pooled[i][b, r][np.newaxis])[0] for i in chosen[b, r]])
        for b in range(batch)
        for r in range(number)
    ]
    logits, deltas = detector.head(np.stack(features))
    return (tf.reshape(x[:, 1:], [batch, number, *x[:, 1:].shape[1:]]) for x in (tf.nn.softmax(logits), deltas))


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("head", [{}, {"head": "conv", "head_layers": 2, "head_convolutions": 1}])
def test_merging_is_the_maximum_of_each_scales_features(head, count, fast):
    detector = fast(scales=SCALES, scales_per_region=count, canonical_size=30.0, **head)
    features = detector.features(inputs())
    assert [part.shape for part in features] == [(2, 2, 3, 16), (2, 4, 6, 16), (2, 8, 12, 16)]
    found = detector.score(features, OF_ALL_SIZES, np.array(SHAPES))
    for value, expected in zip(found, by_hand(detector, OF_ALL_SIZES, SHAPES, count), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)


def test_more_scales_than_there_are_means_all(fast):
    asked = inputs() | {"proposals": OF_ALL_SIZES}
    both, more = (fast(scales=(0.5, 1.0), scales_per_region=count, score_threshold=0.0) for count in (2, 9))
    assert_same(more(asked), both(asked), 1e-6)


def test_weights_of_one_scale_do_for_several(randomize):
    options = {"anchor_sizes": (16, 32), "rpn_filters": 16, "test_post_nms_topk": 20, "score_threshold": 0.0}
    plain = FasterRCNN(3, backbone(), **OPTIONS | options)
    multi = FasterRCNN(3, backbone(), scales=SCALES, canonical_size=30.0, **OPTIONS | options)
    for part in ("trunk", "rpn", "region_network", "head"):
        getattr(multi, part).set_weights(randomize(getattr(plain, part)).get_weights())
    _, regions, exists = multi.propose(inputs())
    # Regions are found at scale 1 only.
    for found, expected in zip((regions, exists), plain.propose(inputs())[1:]):
        np.testing.assert_array_equal(found, expected)
    assert np.ptp(areas(regions)) > 1000
    scores, deltas = by_hand(multi, np.array(regions), SHAPES, 2)
    expected = multi.detections(scores, deltas, regions, exists, np.array(SHAPES))
    assert_same(multi(inputs()), expected)
