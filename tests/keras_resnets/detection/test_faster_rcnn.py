"""Faster R-CNN as a whole: the papers' figures, what it learns from, and what it does inside of Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from narrow_detectors import SEEDS, SHAPES, TARGETS, assert_same, inputs, noise

import keras_resnets
from keras_resnets import ArgumentError, FasterRCNN
from keras_resnets.detection.heads import box_predictor
from keras_resnets.detection.rpn import region_proposal_network
from keras_resnets.dtype_policies import dtype_policy_scope
from keras_resnets.layers import RegionWarping, RoIAlign
from keras_resnets.ops import boxes
from trainers.runtime.measuring import parameters

slow = pytest.mark.slow
# Quick to run and to compile.
SMALL = {
    "anchor_sizes": (16, 32),
    "pool_size": 4,
    "rpn_filters": 16,
    "train_pre_nms_topk": 100,
    "train_post_nms_topk": 30,
    "test_pre_nms_topk": 100,
    "test_post_nms_topk": 20,
    "roi_batch_size": 16,
    "max_detections": 10,
}


def narrow(build=keras_resnets.ResNet, **options):
    """Returns a small detector of three classes, with the weights of a fresh one."""
    return FasterRCNN(3, build((1, 1, 1, 1), (8, 8, 16, 16), include_top=False), **SMALL | options)


@pytest.fixture(scope="module")
def fresh():
    """A small detector that no test changes."""
    keras.utils.set_random_seed(0)
    return narrow()


@pytest.fixture
def trained(randomize):
    """Returns the function that makes a small detector whose scores are far from each other."""

    def make(**options):
        detector = narrow(**options)
        for seed, part in enumerate((detector.trunk, detector.rpn, detector.region_network, detector.head)):
            randomize(part, seed)
        for layer in (detector.rpn.get_layer("rpn_deltas"), detector.head.get_layer("box_deltas")):
            layer.set_weights([0.2 * weight for weight in layer.get_weights()])
        return detector

    return make


def tensors(nest):
    return keras.tree.map_structure(tf.constant, nest)


def losses_of(detector, targets=TARGETS, seeds=SEEDS, **kwargs):
    losses = detector.training_losses(inputs(**kwargs), targets, tf.constant(seeds))
    return {name: float(value) for name, value in losses.items()}


# With the paper's two scores for each of 9 anchors in a cell.
@pytest.mark.parametrize(
    "backbone, rpn_filters, with_softmax, classes, features, pool_size",
    [
        ("resnet101", 512, 47_462_111, 20, (38, 63, 1024), 14),
        ("vgg16", 512, 137_078_239, 20, (37, 62, 512), 7),
        ("vgg16", 512, 138_307_339, 80, (37, 62, 512), 7),
        ("zfnet", 256, 59_294_751, 20, (39, 64, 256), 6),
        ("zfnet", 256, 60_523_851, 80, (39, 64, 256), 6),
    ],
)
@pytest.mark.usefixtures("without_weights")
def test_parameters_and_map_of_the_papers_nets(backbone, rpn_filters, with_softmax, classes, features, pool_size):
    detector = FasterRCNN(classes, backbone, rpn_filters=rpn_filters, rpn_softmax=True)
    assert parameters(detector) == with_softmax
    sigmoids = region_proposal_network(features[-1], 9, rpn_filters)
    assert parameters(sigmoids) == parameters(detector.rpn) - 9 * (rpn_filters + 1)
    assert detector.trunk.compute_output_shape((1, 600, 1000, 3)) == (1, *features)
    assert (detector.roi_pooling.pool_size, detector.roi_pooling.stride, detector.anchors.stride) == (pool_size, 16, 16)


@pytest.mark.usefixtures("without_weights")
def test_parameters_of_the_new_layers_for_80_classes():
    assert parameters(region_proposal_network(1024, 9, softmax=True)) == 4_746_806
    features = keras.Input((2048,))
    assert parameters(box_predictor(features, features, 80)) == 829_845


def test_a_softmax_of_two_scores_is_the_probability_and_learns_by_its_cross_entropy(trained):
    detector = trained(rpn_softmax=True, rpn_batch_size=500, cross_boundary_anchors=True, rpn_background_iou=0.7)
    rpn, (features,) = detector.rpn, detector.features(inputs())
    scores = keras.Model(rpn.input, rpn.get_layer("rpn_logits").output)(features).numpy().reshape(2, -1, 2, 6)
    shares = np.exp(scores) / np.sum(np.exp(scores), axis=2, keepdims=True)
    background, objects = (shares[:, :, i].reshape(2, -1) for i in (0, 1))
    np.testing.assert_allclose(tf.sigmoid(rpn(features)[0]), objects, atol=1e-5)
    # Every anchor of an image without objects is background, and counts.
    nothing = {"boxes": np.zeros((2, 0, 4), "float32"), "classes": np.zeros((2, 0), "int32")}
    loss = losses_of(detector, nothing)["rpn_class"]
    np.testing.assert_allclose(loss, -np.sum(np.log(background)) / 2 / 500, rtol=1e-4)


def test_detections_and_losses_are_the_same_compiled(trained):
    # Everything is sampled: XLA's random numbers are others.
    detector = trained(roi_batch_size=64, roi_positive_fraction=0.5)

    @tf.function(jit_compile=True)
    def run(inputs, targets, seeds):
        return detector(inputs), detector.training_losses(inputs, targets, seeds)

    found, losses = run(tensors(inputs()), tensors(TARGETS), tf.constant(SEEDS))
    assert_same(found, detector(inputs()))
    eager = losses_of(detector)
    assert eager.keys() == losses.keys() == {"rpn_class", "rpn_box", "region_class", "region_box"}
    for name, value in eager.items():
        assert np.isfinite(value) and value > 0
        np.testing.assert_allclose(losses[name], value, rtol=1e-4, err_msg=name)


def test_an_image_does_not_depend_on_its_batch_or_on_what_is_outside_of_it(trained):
    detector, images, other_noise = trained(), noise(), noise(seed=1)
    for image, other, (height, width) in zip(images, other_noise, SHAPES):
        other[:height, :width] = image[:height, :width]
    together, losses = detector(inputs(images)), losses_of(detector, images=images)
    alone = [detector(inputs(other_noise[i : i + 1], SHAPES[i : i + 1])) for i in range(2)]
    assert_same(together, {name: np.concatenate([one[name] for one in alone]) for name in together})
    losses_alone = [
        losses_of(
            detector,
            {name: value[i : i + 1] for name, value in TARGETS.items()},
            SEEDS[i : i + 1],
            images=other_noise[i : i + 1],
            image_shapes=SHAPES[i : i + 1],
        )
        for i in range(2)
    ]
    for name, value in losses.items():
        np.testing.assert_allclose(value, np.mean([one[name] for one in losses_alone]), rtol=1e-4, err_msg=name)


def test_an_image_of_integers_is_the_same(trained):
    detector, images = trained(), np.round(noise())
    assert_same(detector(inputs(images.astype("uint8"))), detector(inputs(images)), 1e-6)


def test_moving_the_image_by_the_stride_moves_the_proposals(trained):
    detector, images = trained(), noise(256, 320, 1)
    moved = np.roll(images, 16, axis=2)
    shapes = [[256, 320]]
    outputs = []
    for picture in (images, moved):
        features = detector.trunk(detector.normalization(picture, np.array(shapes)))
        logits, deltas = detector.rpn(features)
        candidates = boxes.decode(deltas, detector.anchors(features))
        outputs.append([np.reshape(x, [16, 20, 6, -1]) for x in (logits, deltas, candidates)])
    # Four cells from the border and from what came in, the convolutions see none of it.
    before, after = ([x[5:-5, 5 + i : 14 + i] for x in one] for i, one in enumerate(outputs))
    for one, other in zip(before[:2], after[:2]):
        np.testing.assert_allclose(other, one, rtol=0, atol=1e-4)
    np.testing.assert_allclose(after[2], before[2] + [16, 0, 16, 0], rtol=0, atol=1e-2)
    assert np.std(before[0]) > 0.1


@pytest.mark.parametrize("train_batch_norm", [False, True])
def test_batch_normalization_is_frozen_unless_asked_for(train_batch_norm):
    detector = narrow(train_batch_norm=train_batch_norm)
    detector.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    before = {weight.path: weight.numpy() for weight in detector.weights}
    detector.fit(inputs(), TARGETS, batch_size=2, verbose=0)
    moved = {weight.path: np.any(weight.numpy() != before[weight.path]) for weight in detector.weights}
    normalization = [changed for path, changed in moved.items() if "bn" in path]
    assert len(normalization) > 20 and all(changed == train_batch_norm for changed in normalization)
    assert all(changed for path, changed in moved.items() if "bn" not in path)


def test_proposals_carry_no_gradient_of_the_regions_losses(trained):
    detector = trained()
    parts = [part.trainable_variables for part in (detector.trunk, detector.rpn, detector.head)]
    with tf.GradientTape(persistent=True) as tape:
        losses = detector.training_losses(inputs(), TARGETS, tf.constant(SEEDS))
        of_rpn, of_regions = (sum(losses[f"{part}_{term}"] for term in ("class", "box")) for part in ("rpn", "region"))
    trunk, rpn, head = ([v.value for v in part] for part in parts)
    assert all(gradient is None for gradient in tape.gradient(of_regions, rpn))
    assert all(gradient is None for gradient in tape.gradient(of_rpn, head))
    for loss, part in ((of_regions, trunk), (of_regions, head), (of_rpn, trunk), (of_rpn, rpn)):
        assert all(np.any(gradient) for gradient in tape.gradient(loss, part))


def crowd():
    corners = np.random.default_rng(0).uniform(0, [70, 40], (100, 2))
    return np.concatenate([corners, corners + [10, 8]], axis=1)


@pytest.mark.parametrize(
    "of_image",
    [
        np.zeros((0, 4)),
        [[20, 20, 50, 40]],
        crowd(),
        [[0, 0, 96, 64], [0, 0, 10, 10], [80, 50, 96, 64], [0, 63, 96, 64]],
        [[30, 30, 31, 31], [0, 0, 1, 1], [95, 63, 96, 64]],
    ],
    ids=["no object", "one object", "100 objects", "at the border", "one pixel"],
)
def test_losses_and_gradients_of_unusual_images_are_finite(of_image, fresh):
    detector, targets = fresh, {"boxes": np.full((1, 100, 4), -1, "float32"), "classes": np.full((1, 100), -1)}
    targets["boxes"][0, : len(of_image)], targets["classes"][0, : len(of_image)] = of_image, 2
    with tf.GradientTape() as tape:
        losses = detector.training_losses(inputs(noise(count=1), [[64, 96]]), targets, tf.constant([[0, 0]]))
        loss = sum(losses.values())
    gradients = tape.gradient(loss, [v.value for v in detector.trainable_variables], unconnected_gradients="zero")
    assert np.isfinite(loss) and all(np.all(np.isfinite(gradient)) for gradient in gradients)
    assert (losses["region_box"] > 0) == (len(of_image) > 0)


def test_targets_may_have_no_row(fresh):
    targets = {"boxes": np.zeros((1, 0, 4), "float32"), "classes": np.zeros((1, 0), "int32")}
    losses = fresh.training_losses(inputs(noise(count=1), [[64, 96]]), targets, [[0, 0]])
    assert losses["region_class"] > 0 and losses["region_box"] == losses["rpn_box"] == 0


def test_fit_lowers_the_loss_and_evaluate_says_the_same_again():
    detector = narrow()
    detector.compile(keras.optimizers.SGD(0.02, momentum=0.9), run_eagerly=True)  # Tracing would take most of the time.
    before, again = (detector.evaluate(inputs(), TARGETS, verbose=0, return_dict=True) for _ in range(2))
    assert before == again
    history = detector.fit(inputs(), TARGETS, batch_size=2, epochs=4, verbose=0).history
    after = detector.evaluate(inputs(), TARGETS, verbose=0, return_dict=True)
    assert history.keys() == after.keys() == before.keys()
    assert after["loss"] < before["loss"]
    np.testing.assert_allclose(sum(value for name, value in after.items() if name != "loss"), after["loss"], rtol=1e-5)


def test_evaluate_returns_the_mean_of_all_batches(fresh):
    detector, images = fresh, inputs(np.concatenate([noise(), np.zeros_like(noise())]), [*SHAPES, *SHAPES])
    targets = {name: np.concatenate([value, np.full_like(value, -1)]) for name, value in TARGETS.items()}
    detector.compile(keras.optimizers.SGD(0.02))
    whole = detector.evaluate(images, targets, batch_size=2, verbose=0, return_dict=True)

    def half(tree, part):
        return {name: value[2 * part : 2 * part + 2] for name, value in tree.items()}

    halves = [
        detector.evaluate(half(images, i), half(targets, i), batch_size=2, verbose=0, return_dict=True) for i in (0, 1)
    ]
    for name, value in whole.items():
        assert value == pytest.approx((halves[0][name] + halves[1][name]) / 2, rel=1e-5)
    assert halves[0]["loss"] != pytest.approx(halves[1]["loss"], rel=1e-3)


def test_fc6_takes_regions_of_one_size():
    with pytest.raises(ArgumentError, match="pool_size=14 must be 6 for fc6"):
        FasterRCNN(2, keras_resnets.ZFNet(include_top=False, padding="faster_rcnn", width=1 / 32), pool_size=14)


def test_predict_pads_to_the_same_size(fresh):
    found = fresh.predict(inputs(np.tile(noise(), [2, 1, 1, 1])[:3], [*SHAPES, [64, 96]]), batch_size=2, verbose=0)
    shapes = {"boxes": (3, 10, 4), "scores": (3, 10), "classes": (3, 10), "num_detections": (3,)}
    assert {name: value.shape for name, value in found.items()} == shapes
    types = {"boxes": "float32", "scores": "float32", "classes": "int32", "num_detections": "int32"}
    assert {name: value.dtype for name, value in found.items()} == types


@pytest.mark.parametrize(
    "arguments, build",
    [
        ({"normalization": {"mean": (100, 110, 120), "std": (60, 50, 40), "bgr": True}}, keras_resnets.ResNet),
        ({"roi_pooling": "align", "train_batch_norm": True, "rpn_softmax": True}, keras_resnets.ResNetV2),
        ({"roi_pooling": RoIAlign(4, 16, 3, aligned=False), "name": "mine"}, keras_resnets.ResNet),
    ],
    ids=["max", "align", "layer"],
)
def test_a_saved_detector_says_the_same(arguments, build, trained, tmp_path):
    detector = trained(build=build, **arguments)
    detector.save(tmp_path / "detector.keras")
    loaded = keras.models.load_model(tmp_path / "detector.keras")
    assert_same(loaded(inputs()), detector(inputs()), 1e-6)
    assert loaded.name == detector.name and loaded.options == detector.options
    assert loaded.normalization.get_config() == detector.normalization.get_config()
    assert loaded.roi_pooling.get_config() == detector.roi_pooling.get_config()
    assert len(loaded.trainable_variables) == len(detector.trainable_variables)


def test_a_version_2_net_learns_and_detects():
    detector = narrow(keras_resnets.ResNetV2)
    losses = losses_of(detector)
    assert all(np.isfinite(value) and value > 0 for value in losses.values())
    assert np.all(np.isfinite(detector(inputs())["boxes"]))


def test_mixed_precision_stays_inside(trained):
    with dtype_policy_scope("mixed_bfloat16"):
        detector = trained()
    (features,), proposals, exists = detector.propose(inputs())
    assert features.dtype == "bfloat16" and proposals.dtype == "float32"
    found = detector(inputs())
    assert {name: value.dtype.name for name, value in found.items()} == {
        "boxes": "float32",
        "scores": "float32",
        "classes": "int32",
        "num_detections": "int32",
    }
    losses = detector.training_losses(inputs(), TARGETS, tf.constant(SEEDS))
    assert all(value.dtype == "float32" and np.isfinite(value) for value in losses.values())
    assert all(weight.dtype == "float32" for weight in detector.weights)


def test_a_saved_detector_keeps_its_precision(trained, tmp_path):
    with dtype_policy_scope("mixed_bfloat16"):
        detector = trained()
    expected = detector(inputs())
    detector.save(tmp_path / "detector.keras")
    loaded = keras.models.load_model(tmp_path / "detector.keras")
    assert loaded.propose(inputs())[0][0].dtype == "bfloat16"
    assert_same(loaded(inputs()), expected, 1e-6)
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize("backbone", ["resnet18", pytest.param("zfnet", marks=slow)])
def test_a_named_backbone_takes_a_classification_nets_weights(backbone, randomize, tmp_path):
    net = randomize(keras_resnets.create_model(backbone))
    path = tmp_path / "net.weights.h5"
    net.save_weights(path)
    detector = FasterRCNN(3, backbone, weights=path)
    parts = detector.trunk, detector.region_network, detector.head
    taken = [layer for part in parts for layer in part.layers if layer.weights]
    new = {layer.name for layer in taken} - {layer.name for layer in net.layers}
    assert new == {"class_logits", "box_deltas"}
    assert len(taken) - 2 == sum(bool(layer.weights) for layer in net.layers) - 1  # all but the classifier
    for layer in taken:
        if layer.name not in new:
            for found, expected in zip(layer.get_weights(), net.get_layer(layer.name).get_weights(), strict=True):
                np.testing.assert_array_equal(found, expected)


def model(**arguments):
    return keras_resnets.ResNet((1, 1), (8, 8), input_shape=(64, 64, 3), **arguments)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"num_classes": 0}, "num_classes=0 must be a positive integer"),
        ({"num_classes": 2.5}, r"num_classes=2\.5 must be a positive integer"),
        ({"backbone": "resnet19"}, "backbone='resnet19' is unknown: use plainnet18, .*, resnet18, .*, zfnet, or a"),
        ({"backbone": "cifar_resnet20"}, "backbone='cifar_resnet20' is unknown"),
        ({"backbone": model}, "backbone=resnet, .*pass a residual net, .* with include_top=False"),
        (
            {"backbone": lambda: model(include_top=False, pooling="avg")},
            "pass a residual net, .* with include_top=False",
        ),
        (
            {"backbone": lambda: model(include_top=False), "weights": "imagenet"},
            "weights='imagenet' are for a backbone",
        ),
        ({"roi_pooling": "mean"}, "roi_pooling='mean' is unknown: use 'max', 'align', or a RoIPooling or"),
        (
            {"roi_pooling": lambda: RegionWarping(14, 2)},
            "roi_pooling=<RegionWarping .* is unknown: use 'max', 'align', or",
        ),
        ({"anchor_size": (16, 32)}, "anchor_size=.* is not an argument of this model: use anchor_sizes"),
        ({"rpn_nms_threshold": 70}, r"rpn_nms_threshold=70 must be a number in \[0, 1\]"),
        ({"anchor_sizes": 16}, "anchor_sizes=16 must be a list, each a positive number"),
        ({"delta_stds": (0.1, 0.2)}, r"delta_stds=\(0\.1, 0\.2\) must be a list of 4, each a positive"),
        ({"delta_stds": (0.1, 0.1, 0.2, 0)}, r"delta_stds=.* must be a list of 4, each a positive number"),
        ({"roi_smooth_l1_beta": 0}, "roi_smooth_l1_beta=0 must be a positive number"),
        ({"pool_size": "7"}, "pool_size='7' must be a positive integer"),
        ({"roi_background_iou": (0.4, 0.2)}, "but 0.4 is larger than 0.2"),
        ({"train_batch_norm": "no"}, "train_batch_norm='no' must be True or False"),
        ({"dropout_rate": 1}, r"dropout_rate=1 must be a number in \[0, 1\)"),
        ({"normalization": {"mean": (0, 0, 0)}}, "must be a dict of mean and std"),
        ({"roi_pooling": lambda: RoIAlign(14, 8)}, "roi_pooling has stride=8, but the trunk has stride=16"),
        ({"rpn_background_iou": 0.8}, "rpn_background_iou=0.8 must not be larger than rpn_foreground_iou=0.7"),
        ({"test_post_nms_topk": 0}, "test_post_nms_topk=0 must be a positive integer"),
        ({"anchor_rounding": "pixels"}, "anchor_rounding='pixels' must be 'corners', 'sizes' or None"),
    ],
)
def test_arguments_that_cannot_work(arguments, message):
    arguments = {name: value() if callable(value) else value for name, value in arguments.items()}
    with pytest.raises(ArgumentError, match=message):
        FasterRCNN(**{"num_classes": 3, "backbone": "resnet18"} | arguments)
