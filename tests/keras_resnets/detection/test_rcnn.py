"""R-CNN: the net on crops, the linear functions of its last stages, and what it does inside of Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from narrow_detectors import SEEDS, SHAPES, TARGETS, assert_same, inputs

import keras_resnets
from keras_resnets import RCNN, ArgumentError
from keras_resnets.detection.rcnn import CHUNK
from keras_resnets.detection.resizing import Resizing
from keras_resnets.dtype_policies import dtype_policy_scope
from keras_resnets.layers.spatial_pyramid_pooling import map_maxima
from keras_resnets.serving import SavedModelSession, export_detector
from trainers.runtime.measuring import parameters

SIZE, CONTEXT = 64, 4
OPTIONS = {
    "pool_size": 4,
    "warp_size": SIZE,
    "warp_context": CONTEXT,
    "roi_batch_size": 16,
    "max_detections": 10,
}


def _described(detector, inputs, regions, image_shapes):
    """Returns features and pooled features of regions."""
    maps = detector.features(inputs)
    return detector.linear_features(maps, detector.pool_scales(maps, regions), image_shapes)


def backbone(**arguments):
    return keras_resnets.ResNet((1, 1, 1, 1), (8, 8, 16, 16), include_top=False, **arguments)


def proposals(count=12, seed=0):
    """Returns (2, count, 4): the objects of TARGETS, moved a little, and boxes anywhere."""
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 30, (2, count, 2))
    found = np.concatenate([corners, corners + random.uniform(10, 30, (2, count, 2))], axis=2)
    found[:, 0], found[1, 1] = TARGETS["boxes"][:, 0] + 2, TARGETS["boxes"][1, 1] - 2
    return found.astype("float32")


def batch(**arguments):
    return {**inputs(), "proposals": proposals(**arguments)}


def tensors(nest):
    return keras.tree.map_structure(tf.constant, nest)


@pytest.fixture
def trained(randomize):
    """Returns the function that makes a small detector whose scores are far from each other."""

    def make(**options):
        detector = RCNN(3, backbone(), **OPTIONS | options)
        for seed, part in enumerate((detector.trunk, detector.region_network, detector.head)):
            randomize(part, seed)
        if detector.options.svm:
            random = np.random.default_rng(9)
            weights = [random.normal(0, 0.01, weight.shape) for weight in detector.linear.get_weights()]
            detector.linear.set_weights(weights)
        return detector

    return make


def crops(detector, given, corners):
    """Returns squares (N, SIZE, SIZE, 3) of the first image, with zeros around it, and their regions (1, N, 4).

    Corners are of the squares, whose pixels are the image's: nothing is interpolated.
    """
    image = detector.normalization(given["images"][:1], given["image_shapes"][:1])[0]
    padded = np.pad(image, [(SIZE, SIZE), (SIZE, SIZE), (0, 0)])
    squares = [padded[SIZE + y : 2 * SIZE + y, SIZE + x : 2 * SIZE + x] for x, y in corners]
    regions = [[x + CONTEXT, y + CONTEXT, x + SIZE - CONTEXT, y + SIZE - CONTEXT] for x, y in corners]
    return np.array(squares), np.float32([regions])


def test_a_region_is_what_the_net_says_about_its_crop(trained):
    detector, given = trained(svm=False), inputs()
    squares, regions = crops(detector, given, [(0, 0), (10, 0), (-20, 15), (40, -30)])
    maps = detector.trunk(squares)
    assert maps.shape[1:3] == (4, 4)  # the bins
    logits, deltas = detector.head(detector.region_network(maps))
    first = {name: value[:1] for name, value in given.items()}
    scores, found = detector.score(detector.features(first), regions, first["image_shapes"])
    np.testing.assert_allclose(scores[0], tf.nn.softmax(logits)[:, 1:], rtol=0, atol=1e-4)
    np.testing.assert_allclose(found[0], deltas[:, 1:], rtol=0, atol=1e-3)
    assert np.std(scores) > 0.05


def test_features_are_those_of_the_whole_net_where_the_map_has_as_many_cells_as_bins(trained):
    detector, given = trained(), inputs()
    squares, regions = crops(detector, given, [(0, 0), (-9, 12)])
    net = backbone(pooling="avg")
    sources = {layer.name: layer for part in (detector.trunk, detector.region_network) for layer in part.layers}
    for layer in net.layers:
        layer.set_weights(sources[layer.name].get_weights() if layer.weights else [])
    first = {name: value[:1] for name, value in given.items()}
    features, _ = _described(detector, first, regions, first["image_shapes"])
    np.testing.assert_allclose(features[0], net(squares), rtol=0, atol=1e-4)


@pytest.mark.parametrize("global_context", [False, True])
def test_many_regions_are_the_same_one_at_a_time(global_context, trained):
    detector, given = trained(svm=False, global_context=global_context), batch(count=53)
    features = detector.features(given)
    scores, deltas = detector.score(features, given["proposals"], given["image_shapes"])
    alone = [
        detector.score(features, given["proposals"][:, i : i + 1], given["image_shapes"]) for i in range(0, 53, 13)
    ]
    np.testing.assert_allclose(scores[:, ::13], np.concatenate([one[0] for one in alone], 1), rtol=0, atol=1e-5)
    np.testing.assert_allclose(deltas[:, ::13], np.concatenate([one[1] for one in alone], 1), rtol=0, atol=1e-4)


def test_bins_of_vgg16_are_its_last_pooling():
    net = keras_resnets.VGG16(include_top=False)
    trunk = keras.Model(net.input, net.get_layer("conv5_out").output)
    assert trunk.compute_output_shape((1, 227, 227, 3)) == (1, 14, 14, 512)
    maps = np.random.default_rng(0).normal(size=(2, 14, 14, 5)).astype("float32")
    np.testing.assert_array_equal(map_maxima(maps, 7), keras.layers.MaxPooling2D(2)(maps))


@pytest.mark.usefixtures("without_weights")
def test_parameters_of_vgg16():
    assert parameters(RCNN(20, "vgg16", svm=False)) == 134_690_729
    # One linear function a class of fc7's outputs, four of the last pooling's.
    assert parameters(RCNN(20, "vgg16")) == 134_690_729 + 20 * 4_097 + 80 * (7 * 7 * 512 + 1)


def test_detections_are_the_linear_functions(trained):
    detector = trained(score_threshold=0.0, nms_threshold=1.0, max_detections=30)
    given = {name: value[:1] for name, value in batch(count=5).items()}
    width, height = SHAPES[0][::-1]
    shapes = given["image_shapes"]
    described = _described(detector, given, given["proposals"], shapes)
    features, pooled = described[0][0], described[1][0]
    svms, biases = detector.linear.get_layer("svms").get_weights()
    regressors, offsets = detector.linear.get_layer("box_regressors").get_weights()
    scores = 1 / (1 + np.exp(-(np.float64(features) @ svms + biases)))
    assert np.std(scores) > 0.01
    deltas = np.reshape(np.float64(pooled) @ regressors + offsets, [5, 3, 4]) * [0.1, 0.1, 0.2, 0.2]
    expected = []
    for (x1, y1, x2, y2), score, delta in zip(given["proposals"][0], scores, deltas):
        for c, (dx, dy, dw, dh) in enumerate(delta):
            x, y = (x1 + x2) / 2 + dx * (x2 - x1), (y1 + y2) / 2 + dy * (y2 - y1)
            w, h = (x2 - x1) * np.exp(dw), (y2 - y1) * np.exp(dh)
            box = np.clip([x - w / 2, y - h / 2, x + w / 2, y + h / 2], 0, [width, height, width, height])
            expected.append((score[c], c, box))
    expected.sort(key=lambda found: -found[0])
    found = detector(given)
    assert found["num_detections"] == 15
    np.testing.assert_allclose(found["scores"][0, :15], [score for score, _, _ in expected], rtol=0, atol=1e-5)
    np.testing.assert_array_equal(found["classes"][0, :15], [c for _, c, _ in expected])
    np.testing.assert_allclose(found["boxes"][0, :15], [box for _, _, box in expected], rtol=0, atol=1e-2)


@pytest.mark.parametrize("svm", [True, False])
def test_what_fit_trains(svm, trained):
    detector = trained(svm=svm)
    variables = detector.trainable_variables
    with tf.GradientTape() as tape:
        losses = detector.training_losses(batch(), TARGETS, tf.constant(SEEDS))
        loss = sum(losses.values())
    assert [*losses] == [*detector.loss_names] == (["region_class"] if svm else ["region_class", "region_box"])
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    assert all(np.any(gradient) for gradient in gradients)
    parts = {id(variable): part for part in ("trunk", "head") for variable in getattr(detector, part).weights}
    assert {"trunk", "head"} == {parts[id(variable)] for variable in variables if id(variable) in parts}
    trained_boxes = any(variable is weight for variable in variables for weight in box_deltas(detector).weights)
    assert trained_boxes == (not svm)
    if svm:
        assert not detector.linear.trainable_variables
        assert not any(variable is weight for variable in variables for weight in detector.linear.weights)


def box_deltas(detector):
    return detector.head.get_layer("box_deltas")


@pytest.mark.slow
@pytest.mark.parametrize("count", [12, 53])
def test_detections_and_losses_are_the_same_compiled(count, trained):
    detector, given = trained(), tensors(batch(count=count))

    @tf.function(jit_compile=True)
    def run(given, targets, seeds):
        return detector(given), detector.training_losses(given, targets, seeds, training=False)

    found, losses = run(given, tensors(TARGETS), tf.constant(SEEDS))
    assert_same(found, detector(given))
    assert losses.keys() == {"region_class"}
    if count == 12:  # All are sampled: XLA's random numbers are others.
        expected = detector.training_losses(given, TARGETS, tf.constant(SEEDS), training=False)
        np.testing.assert_allclose(losses["region_class"], expected["region_class"], rtol=1e-4)


@pytest.mark.slow
def test_fit_learns_compiled_and_leaves_the_linear_functions_alone(trained):
    detector = trained()
    detector.compile(keras.optimizers.Adam(1e-2), jit_compile=True)
    alone = [*detector.linear.weights, *box_deltas(detector).weights]
    before = [weight.numpy() for weight in alone]
    history = detector.fit(tf.data.Dataset.from_tensors((batch(), TARGETS)).repeat(10), epochs=3, verbose=0).history
    assert history["loss"][2] < 0.5 * history["loss"][0]
    for weight, value in zip(alone, before):
        np.testing.assert_array_equal(weight, value)


@pytest.mark.parametrize("svm", [True, False])
def test_a_saved_detector_says_the_same(svm, trained, tmp_path):
    detector = trained(svm=svm)
    detector.save(tmp_path / "rcnn.keras")
    loaded = keras.models.load_model(tmp_path / "rcnn.keras")
    assert_same(loaded(batch()), detector(batch()), 1e-6)
    assert type(loaded) is RCNN and loaded.options == detector.options
    assert loaded.roi_pooling.get_config() == detector.roi_pooling.get_config()
    assert len(loaded.trainable_variables) == len(detector.trainable_variables)


def test_an_export_in_16_bits_takes_more_regions_than_are_warped_at_once(tmp_path):
    with dtype_policy_scope("mixed_bfloat16"):
        detector = RCNN(3, backbone(), **OPTIONS, svm=False, score_threshold=0.0)
    resizing, count = Resizing(64, 96, (64, 96)), CHUNK + 1
    path = export_detector(detector, resizing, ["a", "b", "c"], tmp_path / "export", num_proposals=count)
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), np.uint8)
    given = {"images": images, "proposals": proposals(count=count)}
    expected = detector({**given, "image_shapes": np.int32([[64, 96]] * 2)})
    answer = SavedModelSession(path)("serving_default", **given)
    np.testing.assert_allclose(answer["scores"], expected["scores"], rtol=0, atol=1e-2)
    assert np.all(answer["num_detections"] == 10)


def test_without_svms_every_score_is_a_half_at_first():
    scores = RCNN(3, backbone(), **OPTIONS)(batch())["scores"]
    np.testing.assert_array_equal(scores, np.full((2, 10), 0.5))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"warp_size": 0}, "warp_size=0 must be a positive integer"),
        ({"warp_context": 40, "warp_size": 80}, "warp_context=40 must be less than half of warp_size=80"),
        ({"scales": (1, 2)}, r"scales=\(1, 2\) cannot work: every region becomes an image of one size"),
        ({"pyramid": (1, 2)}, "pyramid=.* is not an argument of this model"),
    ],
)
def test_what_cannot_work(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        RCNN(3, backbone(), **arguments)


def test_by_softmax_a_box_is_its_region():
    net = keras_resnets.ResNet((1, 1, 1), (8, 8, 8), include_top=False)
    detector = keras_resnets.RCNN(3, net, warp_size=32, warp_context=2, pool_size=4)
    pooled = np.random.default_rng(0).normal(size=(1, 5, 1, 4, 4, 8)).astype("float32")
    _, deltas = detector.softmax_scores(None, pooled, np.int32([[64, 64]]))
    assert not np.any(deltas)
