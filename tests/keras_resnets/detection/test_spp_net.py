"""SPPnet: windows of a fixed trunk's map, at the scale that suits them."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from narrow_detectors import SEEDS, SHAPES, TARGETS, assert_same, inputs

import keras_resnets
from keras_resnets import ArgumentError, FastRCNN, SPPNet
from keras_resnets.layers import SpatialPyramidPooling
from keras_resnets.ops.resize import scaled
from trainers.runtime.measuring import parameters

OPTIONS = {"pyramid": (1, 2), "head_units": 32, "roi_batch_size": 16, "max_detections": 10}


def _described(detector, inputs, regions, image_shapes):
    """Returns features and pooled features of regions."""
    maps = detector.features(inputs)
    return detector.linear_features(maps, detector.pool_scales(maps, regions), image_shapes)


def backbone():
    return keras_resnets.ResNet((1, 1, 1, 1), (8, 8, 16, 16), include_top=False)


def around_the_objects(count=12):
    """Returns (2, count, 4): the objects of TARGETS, and others around each of them."""
    random = np.random.default_rng(0)
    objects = [TARGETS["boxes"][0, [0]], TARGETS["boxes"][1]]
    moved = [np.tile(boxes, [count, 1])[:count] + random.uniform(-9, 9, (count, 4)) for boxes in objects]
    return np.clip(moved, 0, 90).astype("float32")


def batch():
    return {**inputs(), "proposals": around_the_objects()}


@pytest.fixture
def trained(randomize):
    """Returns the function that makes a small detector whose scores are far from each other."""

    def make(kind=SPPNet, **options):
        detector = kind(3, backbone(), **options)
        for seed, part in enumerate((detector.trunk, detector.region_network, detector.head)):
            randomize(part, seed)
        return detector

    return make


def test_windows_are_pooled_by_a_pyramid(trained):
    detector = trained(**OPTIONS)
    given, regions = inputs(), around_the_objects()
    features, pooled = _described(detector, given, regions, given["image_shapes"])
    maps = detector.trunk(detector.normalization(given["images"], np.array(SHAPES)))
    assert pooled.shape == (2, 12, 5 * 16)
    np.testing.assert_allclose(pooled, SpatialPyramidPooling((1, 2), 16)(maps, regions), rtol=0, atol=1e-5)
    expected = detector.region_network(tf.reshape(pooled, [-1, 80]))
    np.testing.assert_allclose(features, tf.reshape(expected, [2, 12, 32]), rtol=0, atol=1e-5)


def test_a_window_has_the_scale_at_which_its_area_is_nearest(trained):
    detector = trained(scales=(0.5, 1, 2), canonical_size=32, **OPTIONS)
    given = inputs()
    # 8x8 is 16x16 at scale 2; 40x20 has 800 pixels, nearer to 1,024 than 200 and 3,200; 64x64 is 32x32 at scale 1/2.
    regions = np.float32([[[10, 10, 18, 18], [5, 30, 45, 50], [0, 0, 64, 64]]] * 2)
    _, pooled = _described(detector, given, regions, given["image_shapes"])
    images = detector.normalization(given["images"], np.array(SHAPES))
    for i, scale in enumerate((2, 1, 0.5)):
        maps = detector.trunk(scaled(images, scale))
        assert [*maps.shape[1:3]] == [64 * scale / 16, 96 * scale / 16]
        expected = SpatialPyramidPooling((1, 2), 16)(maps, regions[:, i : i + 1] * scale)
        np.testing.assert_allclose(pooled[:, i : i + 1], expected, rtol=0, atol=1e-5)


def test_a_pyramid_of_one_level_is_roi_pooling_where_windows_have_the_same_cells(trained):
    spp = trained(svm=False, **OPTIONS | {"pyramid": (3,)})
    fast = trained(FastRCNN, head="mlp", pool_size=3, head_units=32)
    random = np.random.default_rng(0)
    first = random.integers(0, [6, 4], (2, 20, 2))
    last = random.integers(first, [6, 4])
    given = inputs()
    # RoI pooling takes both corners as cells of the region.
    expected = fast.score(fast.features(given), np.float32(np.concatenate([first, last], -1)) * 16, SHAPES)
    found = spp.score(spp.features(given), np.float32(np.concatenate([first, last + 1], -1)) * 16, SHAPES)
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)
    assert np.std(found[0]) > 0.05


@pytest.mark.parametrize("svm", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_fit_learns_and_leaves_the_trunk_alone(svm, trained, tmp_path):
    detector = trained(svm=svm, train_batch_norm=True, **OPTIONS)
    before = detector.trunk.get_weights()
    layers = detector.region_network.get_weights()
    detector.compile(keras.optimizers.Adam(1e-2))
    dataset = tf.data.Dataset.from_tensors((batch(), TARGETS))
    history = detector.fit(dataset.repeat(20), epochs=3, verbose=0).history
    assert history["loss"][2] < 0.5 * history["loss"][0]
    assert history.keys() == ({"loss", "region_class"} if svm else {"loss", "region_class", "region_box"})
    for weight, value in zip(detector.trunk.get_weights(), before):
        np.testing.assert_array_equal(weight, value)
    assert all(np.any(weight != value) for weight, value in zip(detector.region_network.get_weights(), layers))
    detector.save(tmp_path / "spp.keras")
    loaded = keras.models.load_model(tmp_path / "spp.keras")
    assert type(loaded) is SPPNet and loaded.options == detector.options
    assert len(loaded.trainable_variables) == len(detector.trainable_variables)
    for name, value in loaded(batch()).items():
        np.testing.assert_allclose(value, detector(batch())[name], rtol=0, atol=1e-5)


@pytest.mark.slow
def test_detections_and_losses_are_the_same_compiled(trained):
    detector = trained(svm=False, scales=(0.5, 1), canonical_size=20, dropout_rate=0.0, score_threshold=0.0, **OPTIONS)
    given, targets, seeds = (keras.tree.map_structure(tf.constant, nest) for nest in (batch(), TARGETS, SEEDS))

    @tf.function(jit_compile=True)
    def run(given, targets, seeds):
        return detector(given), detector.training_losses(given, targets, seeds)

    found, losses = run(given, targets, tf.constant(SEEDS))
    assert_same(found, detector(given))
    assert losses.keys() == {"region_class", "region_box"}
    assert all(np.isfinite(loss) and loss > 0 for loss in losses.values())


@pytest.mark.usefixtures("without_weights")
def test_the_papers_net():
    detector = SPPNet(20)
    assert detector.roi_pooling.compute_output_shape((1, 40, 60, 256), (1, 9, 4)) == (1, 9, 12_800)
    assert detector.region_network.get_layer("fc6").count_params() == 12_800 * 4_096 + 4_096
    assert parameters(detector.linear) == 20 * 4_097 + 80 * 12_801


@pytest.mark.slow
def test_a_classification_nets_weights_but_for_fc6(randomize, tmp_path):
    net = randomize(keras_resnets.ZFNet())
    net.save_weights(tmp_path / "net.weights.h5")
    detector = SPPNet(3, weights=tmp_path / "net.weights.h5")
    for layer in filter(lambda layer: layer.weights, detector.trunk.layers):
        for found, expected in zip(layer.get_weights(), net.get_layer(layer.name).get_weights(), strict=True):
            np.testing.assert_array_equal(found, expected)
    # The pyramid has 12,800 values for it, and pool5 has 9,216.
    assert not np.any(detector.region_network.get_layer("fc6").bias)
    np.testing.assert_array_equal(detector.region_network.get_layer("fc7").kernel, net.get_layer("fc7").kernel)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"head": "conv"}, "head='conv' must be 'mlp'"),
        ({"head": None}, "head=None must be 'mlp'"),
        ({"pyramid": (0,)}, r"pyramid=\(0,\) must be a list, each a positive integer"),
        ({"pyramid": ()}, r"pyramid=\(\) must be a list, each a positive integer"),
        ({"warp_size": 227}, "warp_size=.* is no argument of this model"),
    ],
)
def test_what_cannot_work(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        SPPNet(3, backbone(), **arguments)
