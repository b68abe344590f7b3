"""Mask R-CNN: the published parameters, what its mask head learns from, and its masks inside of Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from narrow_detectors import SEEDS, TARGETS, assert_same, inputs

import keras_resnets
from keras_resnets import ArgumentError, MaskRCNN
from keras_resnets.detection.mask_head import foreground
from keras_resnets.dtype_policies import dtype_policy_scope
from keras_resnets.ops.masks import crop_masks, paste_masks
from trainers.runtime.measuring import parameters

SMALL = {
    "anchor_sizes": (8, 16, 32, 64),
    "fpn_filters": 16,
    "rpn_filters": 16,
    "mask_filters": 8,
    "head_units": 16,
    "train_pre_nms_topk": 50,
    "train_post_nms_topk": 30,
    "test_pre_nms_topk": 50,
    "test_post_nms_topk": 20,
    "roi_batch_size": 16,
    "max_detections": 10,
}
WITH_MASKS = {**TARGETS, "masks": np.random.default_rng(0).integers(0, 2, (2, 2, 20, 20), dtype="uint8")}


def narrow(**options):
    """Returns a small detector of three classes."""
    net = keras_resnets.ResNet((1, 1, 1), (8, 8, 16), include_top=False)
    return MaskRCNN(3, net, **SMALL | options)


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
        randomize(detector.mask_head, 9)
        return detector

    return make


def losses_of(detector, targets, seeds=SEEDS):
    losses = detector.training_losses(inputs(), targets, tf.constant(seeds))
    return {name: float(value) for name, value in losses.items()}


# Of torchvision 0.29, whose version 1 does not count frozen batch normalization.
@pytest.mark.parametrize(
    "name, expected, frozen",
    [("mask_rcnn_resnet50_fpn", 44_401_393, True), ("mask_rcnn_resnet50_fpn_v2", 46_359_409, False)],
)
@pytest.mark.usefixtures("without_weights")
def test_parameters_of_the_published_detectors(name, expected, frozen):
    detector = keras_resnets.create_detector(name)
    names = [layer.name for layer in detector.mask_head.layers if layer.weights]
    assert [name for name in names if not name.endswith("_bn")] == [
        "mask_conv1", "mask_conv2", "mask_conv3", "mask_conv4", "mask_deconv", "mask_logits"
    ]  # fmt: skip
    of_trunk = sum(
        2 * layer.gamma.shape[0]
        for layer in detector.trunk.layers
        if isinstance(layer, keras.layers.BatchNormalization) and frozen
    )
    assert parameters(detector) - of_trunk == expected


def test_masks_are_those_of_the_detected_classes(trained):
    detector = trained()
    found = {name: value.numpy() for name, value in detector(inputs()).items()}
    assert found["masks"].shape == (2, 10, 28, 28) and found["masks"].dtype == "float32"
    features = detector.features(inputs())
    logits = detector.mask_logits(features, tf.constant(found["boxes"])).numpy()
    for image, count in enumerate(found["num_detections"]):
        assert count > 3  # Otherwise this would say little.
        for place in range(count):
            expected = tf.sigmoid(logits[image, place, ..., found["classes"][image, place] + 1])
            np.testing.assert_allclose(found["masks"][image, place], expected, rtol=0, atol=1e-5)
        assert not found["masks"][image, count:].any()


def test_the_other_outputs_are_those_of_faster_rcnn(trained):
    detector = trained()
    net = keras_resnets.ResNet((1, 1, 1), (8, 8, 16), include_top=False)
    options = {name: value for name, value in SMALL.items() if name != "mask_filters"}
    without = keras_resnets.FasterRCNN(3, net, neck="fpn", **options)
    for part in ("trunk", "rpn", "region_network", "head"):
        getattr(without, part).set_weights(getattr(detector, part).get_weights())
    found, expected = detector(inputs()), without(inputs())
    assert_same(found, expected)
    losses, others = losses_of(detector, WITH_MASKS), losses_of(without, TARGETS)
    assert losses.keys() - others.keys() == {"mask"}
    assert {name: losses[name] for name in others} == pytest.approx(others)


def test_an_image_without_an_object_has_no_mask_to_learn_from():
    detector = narrow(mask_batch_norm=True)
    targets = {
        "boxes": np.full((2, 1, 4), -1, "float32"),
        "classes": np.full((2, 1), -1),
        "masks": np.full((2, 1, 9, 9), 255, "uint8"),
    }
    with tf.GradientTape() as tape:
        losses = detector.training_losses(inputs(), targets, tf.constant(SEEDS))
        loss = sum(losses.values())
    assert float(losses["mask"]) == 0
    gradients = [gradient for gradient in tape.gradient(loss, [v.value for v in detector.trainable_variables])]
    assert all(np.all(np.isfinite(gradient)) for gradient in gradients if gradient is not None)
    without = {name: value[:, :0] for name, value in targets.items()}
    assert losses_of(detector, without)["mask"] == 0


def test_a_loss_is_that_of_an_untrained_head_for_any_masks(fresh):
    # Logits near 0 mean a probability of a half for each cell.
    assert losses_of(fresh, WITH_MASKS)["mask"] == pytest.approx(np.log(2), rel=0.02)
    halves = {**WITH_MASKS, "masks": np.full((2, 2, 7, 7), 0.5, "float32")}
    assert losses_of(fresh, halves)["mask"] == pytest.approx(np.log(2), rel=0.02)


def test_what_is_there_for_padding_does_not_matter(fresh):
    detector, others = fresh, WITH_MASKS["masks"].copy()
    others[0, 1] = 255
    expected = losses_of(detector, WITH_MASKS)
    assert losses_of(detector, {**WITH_MASKS, "masks": others}) == expected
    others[0, 0] = 1 - others[0, 0]
    others[0, 0, :, 10:] = 1
    assert losses_of(detector, {**WITH_MASKS, "masks": others})["mask"] != expected["mask"]


def test_places_without_foreground_repeat_it(fresh):
    options = fresh.options  # 4 of 16 regions are foreground.
    regions = tf.reshape(tf.range(2 * 16 * 4, dtype=tf.float32), [2, 16, 4])
    labels = np.zeros((2, 16), "int32")
    labels[0, :3] = [2, 1, 3]
    chosen, sampled = foreground(options, regions, {"labels": tf.constant(labels), "objects": tf.constant(labels)})
    np.testing.assert_array_equal(chosen[0], tf.gather(regions[0], [0, 1, 2, 0]))
    np.testing.assert_array_equal(sampled["labels"], [[2, 1, 3, 0], [0, 0, 0, 0]])


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"masks": None}, "the targets have boxes, classes, but no masks: pass .B, G, M, M., .*crop_masks"),
        ({"masks": np.zeros((2, 64, 96))}, "masks of the targets have the shape .2, 64, 96.: pass .B, G, M, M."),
        ({"masks": np.zeros((2, 2, 64, 96))}, "masks of the targets have the shape .2, 2, 64, 96.: pass"),
        ({"masks": np.zeros((2, 3, 28, 28))}, "masks of the targets are 3 an image for 2 classes"),
        ({"masks": np.full((2, 2, 28, 28), 255)}, "masks of the targets must be from 0 to 1: divide them by 255"),
    ],
    ids=["none", "of_images", "not_square", "of_others", "bytes"],
)
def test_masks_that_cannot_work(changes, message, fresh):
    fresh.compile("sgd", run_eagerly=True)
    targets = {name: value for name, value in {**TARGETS, **changes}.items() if value is not None}
    with pytest.raises(ArgumentError, match=message):
        fresh.fit(inputs(), targets, verbose=0)


def test_without_a_pyramid_it_is_refused():
    with pytest.raises(ArgumentError, match="neck=None cannot be used: the mask head is for a feature pyramid"):
        narrow(neck=None)


def test_a_saved_detector_has_the_same_masks_and_goes_on_learning(trained, tmp_path):
    with dtype_policy_scope("mixed_bfloat16"):
        detector = trained(mask_batch_norm=True)
    detector.compile(keras.optimizers.SGD(0.01))
    history = detector.fit(inputs(), WITH_MASKS, verbose=0).history
    assert all(np.isfinite(history[name][0]) for name in ("loss", *MaskRCNN.loss_names))
    detector.save(tmp_path / "detector.keras")
    loaded = keras.models.load_model(tmp_path / "detector.keras")
    assert loaded.mask_head.get_layer("mask_conv1").compute_dtype == "bfloat16"
    detector.run_eagerly = loaded.run_eagerly = True  # Tracing would take most of the time.
    expected = detector.predict(inputs(), verbose=0)
    for name, values in loaded.predict(inputs(), verbose=0).items():
        np.testing.assert_array_equal(values, expected[name])
    assert loaded.evaluate(inputs(), WITH_MASKS, verbose=0) == detector.evaluate(inputs(), WITH_MASKS, verbose=0)


@pytest.mark.slow
def test_xla_computes_the_same(trained):
    detector = trained()
    results = []
    for jit_compile in (False, True):
        detector.compile(keras.optimizers.SGD(0.0), jit_compile=jit_compile)
        losses = detector.evaluate(inputs(), WITH_MASKS, verbose=0, return_dict=True)
        results.append((losses, detector.predict(inputs(), verbose=0)))
        detector.fit(inputs(), WITH_MASKS, verbose=0)
    (losses, found), (of_xla, found_by_xla) = results
    # XLA's random numbers, which choose the samples of the losses, are others.
    assert of_xla.keys() == losses.keys() and np.all(np.isfinite([*of_xla.values()]))
    # Of this net, images that differ by one rounding in each value have scores that differ by as much as 6e-4.
    assert_same(found_by_xla, found, tolerance=2e-3)
    np.testing.assert_allclose(found_by_xla["masks"], found["masks"], rtol=0, atol=2e-2)


def discs(count):
    """Returns images (count, 64, 64, 3) with a bright ellipse each, their boxes and their masks in the images."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:64, :64] + 0.5
    sizes = random.uniform(20, 40, (count, 2))
    corners = random.uniform(0, 64 - sizes)
    centers = (corners + sizes / 2)[..., np.newaxis, np.newaxis]
    radii = (sizes / 2)[..., np.newaxis, np.newaxis]
    masks = ((x - centers[:, 0]) / radii[:, 0]) ** 2 + ((y - centers[:, 1]) / radii[:, 1]) ** 2 <= 1
    images = random.uniform(40, 90, (count, 64, 64, 3)) + 120 * masks[..., np.newaxis]
    return images.astype("float32"), np.concatenate([corners, corners + sizes], axis=1).astype("float32"), masks


@pytest.mark.slow
def test_it_learns_the_shape_of_objects():
    images, boxes, masks = discs(64)
    detector = narrow(train_batch_norm=True, roi_batch_size=32, mask_filters=16)
    detector.compile(keras.optimizers.Adam(2e-3))
    given = inputs(images, [[64, 64]] * len(images))
    targets = {
        "boxes": boxes[:, np.newaxis],
        "classes": np.ones((len(images), 1), "int32"),
        "masks": crop_masks(masks.astype("uint8"), boxes).numpy()[:, np.newaxis],
    }
    history = detector.fit(given, targets, batch_size=8, epochs=12, verbose=0).history
    assert history["mask"][-1] < 0.3
    # A full box has an IoU of pi / 4 with its ellipse.
    found = detector.mask_logits(detector.features(given), tf.constant(targets["boxes"]))
    pasted = paste_masks(tf.sigmoid(found[..., 2]), targets["boxes"], 64, 64).numpy()[:, 0] > 0
    ious = np.sum(pasted & masks, axis=(1, 2)) / np.sum(pasted | masks, axis=(1, 2))
    assert np.mean(ious) > 0.87
