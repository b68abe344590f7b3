"""The localizer against plain loops over its network's outputs, and what it does inside of Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from narrow_detectors import SEEDS, SHAPES, TARGETS, inputs, noise

import keras_resnets
from keras_resnets import RCNN, ArgumentError, Localizer
from keras_resnets.detection.localizer import localize_in_two_stages
from keras_resnets.detection.resizing import Resizing
from keras_resnets.layers import Proposals
from keras_resnets.serving import SavedModelSession, export_localizer
from keras_resnets.serving.predict_requests import read_warmup
from trainers.runtime.measuring import parameters

CLASSES = np.int32([[1, 2, -1], [0, 2, 0]])
SMALL = {"anchor_sizes": (16, 32), "rpn_filters": 16, "pre_nms_topk": 100, "post_nms_topk": 10}
# Two objects of the class 2 and one of another class; an object of the class 1; nothing.
OBJECTS = {
    "boxes": np.float32([[[5, 5, 40, 40], [50, 10, 75, 40], [20, 30, 50, 60]], [[10, 10, 40, 30]] + 2 * [4 * [-1]]]),
    "classes": np.int32([[2, 2, 0], [1, -1, -1]]),
}


def narrow(**options):
    return Localizer(3, keras_resnets.ResNet((1, 1, 1, 1), (8, 8, 16, 16), include_top=False), **SMALL | options)


@pytest.fixture
def trained(randomize):
    """Returns the function that makes a small localizer whose scores are far from each other."""

    def make(**options):
        localizer = narrow(**options)
        for seed, part in enumerate((localizer.trunk, localizer.rpn)):
            randomize(part, seed)
        layer = localizer.rpn.get_layer("rpn_deltas")
        layer.set_weights([0.2 * weight for weight in layer.get_weights()])
        return localizer

    return make


def of_classes(classes=CLASSES, **kwargs):
    return {**inputs(**kwargs), "classes": np.int32(classes)}


def tensors(nest):
    return keras.tree.map_structure(tf.constant, nest)


def outputs(localizer):
    """Returns logits (2, A, 3) and deltas (2, A, 3, 4), and anchors (A, 4), as the network's channels say it."""
    features = localizer.trunk(localizer.normalization(noise(), np.array(SHAPES)))
    logits, deltas = (x.numpy() for x in localizer.rpn(features))
    anchors = localizer.anchors(features).numpy()
    return logits.reshape(2, -1, 3), deltas.reshape(2, -1, 3, 4), anchors


def iou(box, other):
    width, height = (min(box[i + 2], other[i + 2]) - max(box[i], other[i]) for i in (0, 1))
    intersection = max(width, 0) * max(height, 0)
    area, other_area = ((b[2] - b[0]) * (b[3] - b[1]) for b in (box, other))
    return intersection / (area + other_area - intersection)


def encoded(box, anchor):
    sizes, anchor_sizes = box[2:] - box[:2], anchor[2:] - anchor[:2]
    shift = (box[:2] + box[2:] - anchor[:2] - anchor[2:]) / 2 / anchor_sizes
    return np.concatenate([shift, np.log(sizes / anchor_sizes)])


def decoded(deltas, anchor, shape):
    sizes = anchor[2:] - anchor[:2]
    center = (anchor[:2] + anchor[2:]) / 2 + deltas[:2] * sizes
    sizes = sizes * np.exp(deltas[2:])
    return np.clip([*(center - sizes / 2), *(center + sizes / 2)], 0, [shape[1], shape[0]] * 2)


def plain_losses(localizer, targets, size):
    """Loops over images, their classes and all anchors."""
    all_logits, all_deltas, anchors = outputs(localizer)
    sums = {"rpn_class": 0, "rpn_box": 0}
    for i, (height, width) in enumerate(SHAPES):
        for label in set(targets["classes"][i]) - {-1}:
            boxes = targets["boxes"][i][targets["classes"][i] == label].astype("float64")
            inside = np.flatnonzero(np.all((anchors[:, :2] >= 0) & (anchors[:, 2:] <= [width, height]), axis=1))
            ious = np.array([[iou(anchors[a], box) for box in boxes] for a in inside])
            for a, overlaps in zip(inside, ious):
                logit, deltas = all_logits[i, a, label], all_deltas[i, a, label]
                if max(overlaps) >= 0.7 or np.any((overlaps == ious.max(axis=0)) & (overlaps > 0)):
                    errors = np.abs(deltas - encoded(boxes[np.argmax(overlaps)], anchors[a]))
                    sums["rpn_class"] += np.log1p(np.exp(-logit))
                    sums["rpn_box"] += np.sum(np.where(errors < 1 / 9, errors**2 * 9 / 2, errors - 1 / 18))
                elif max(overlaps) < 0.3:
                    sums["rpn_class"] += np.log1p(np.exp(logit))
    return {name: value / size / 2 for name, value in sums.items()}


def test_losses_are_those_of_plain_loops(trained):
    localizer = trained(rpn_batch_size=500)  # There are 144 anchors, so that all of them are sampled.
    found = localizer.training_losses(inputs(), OBJECTS, tf.constant(SEEDS), training=False)
    expected = plain_losses(localizer, OBJECTS, 500)
    assert found.keys() == expected.keys() and all(value > 0 for value in expected.values())
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, err_msg=name)


def test_only_the_outputs_of_an_images_classes_learn(trained):
    localizer = trained()
    layers = [localizer.rpn.get_layer(name) for name in ("rpn_logits", "rpn_deltas")]
    targets = {name: value[1:] for name, value in OBJECTS.items()}  # The class 1.
    asked = inputs(noise()[1:], SHAPES[1:])
    with tf.GradientTape() as tape:
        loss = sum(localizer.training_losses(asked, targets, tf.constant(SEEDS[1:])).values())
    for gradient, width in zip(tape.gradient(loss, [layer.kernel.value for layer in layers]), (1, 4)):
        by_class = np.sum(np.abs(gradient).reshape(16, -1, 3, width), axis=(0, 1, 3))
        assert by_class[1] > 0 and by_class[0] == by_class[2] == 0


def test_eight_anchors_of_an_image_are_sampled_half_of_them_objects():
    localizer = narrow(rpn_foreground_iou=0.3)
    layer = localizer.rpn.get_layer("rpn_logits")
    layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
    targets = {"boxes": np.float32([[[10, 10, 42, 42]]] * 2), "classes": np.int32([[1]] * 2)}
    with tf.GradientTape() as tape:
        losses = localizer.training_losses(inputs(), targets, tf.constant(SEEDS))
    # Each of the logits, which are 0, adds log(2); its gradient is -1/2 for an object, and 1/2 for the background.
    np.testing.assert_allclose(losses["rpn_class"], np.log(2), rtol=1e-5)
    gradient = tape.gradient(losses["rpn_class"], layer.bias.value)
    np.testing.assert_allclose(np.sum(gradient), 0, atol=1e-6)
    assert np.sum(np.abs(gradient)) > 0


def test_images_without_objects_have_no_loss_but_finite_gradients():
    localizer = narrow()
    for count in (0, 1):
        targets = {"boxes": np.full((2, count, 4), -1, "float32"), "classes": np.full((2, count), -1)}
        with tf.GradientTape() as tape:
            losses = localizer.training_losses(inputs(), targets, tf.constant(SEEDS))
            loss = sum(losses.values())
        assert loss == 0
        gradients = tape.gradient(loss, [v.value for v in localizer.trainable_variables])
        assert not any(np.any(gradient) for gradient in gradients if gradient is not None)


def test_the_best_box_of_each_class_is_that_of_plain_loops(trained):
    localizer = trained()
    found = localizer(of_classes())
    all_logits, all_deltas, anchors = outputs(localizer)
    assert found["boxes"].shape == (2, 3, 4) and found["scores"].shape == (2, 3)
    for i, shape in enumerate(SHAPES):
        for place, label in enumerate(CLASSES[i]):
            best, best_box = -np.inf, np.zeros(4)
            for a, anchor in enumerate(anchors):
                box = decoded(all_deltas[i, a, label], anchor, shape)
                has_area = box[2] > box[0] and box[3] > box[1]
                if label >= 0 and has_area and all_logits[i, a, label] > best:
                    best, best_box = all_logits[i, a, label], box
            np.testing.assert_allclose(found["boxes"][i, place], best_box, atol=1e-3)
            np.testing.assert_allclose(found["scores"][i, place], 1 / (1 + np.exp(-best)), atol=1e-5)
    assert np.all(found["scores"][0, :2] > 0.5)  # Otherwise this would say little.


def test_proposals_of_a_class_are_those_of_its_outputs(trained):
    localizer = trained()
    boxes, exist = localizer.propose(of_classes())
    assert boxes.shape == (2, 3, 10, 4) and exist.shape == (2, 3, 10)
    all_logits, all_deltas, anchors = outputs(localizer)
    for i in range(2):
        for place, label in enumerate(CLASSES[i]):
            if label == -1:
                assert not np.any(exist[i, place]) and not np.any(boxes[i, place])
                continue
            of_class = all_logits[i : i + 1, :, label], all_deltas[i : i + 1, :, label]
            expected = Proposals(100, 10)(*of_class, anchors, tf.constant(SHAPES[i : i + 1]))
            np.testing.assert_allclose(boxes[i, place], expected[0][0], atol=1e-3)
            np.testing.assert_array_equal(exist[i, place], expected[1][0])
            assert np.sum(exist[i, place]) > 3
    np.testing.assert_allclose(boxes[:, :, 0], localizer(of_classes())["boxes"], atol=1e-3)


def test_an_image_does_not_depend_on_its_batch_or_on_what_is_outside_of_it(trained):
    localizer, images, other_noise = trained(), noise(), noise(seed=1)
    for image, other, (height, width) in zip(images, other_noise, SHAPES):
        other[:height, :width] = image[:height, :width]
    together = localizer(of_classes())
    losses = localizer.training_losses(inputs(), TARGETS, tf.constant(SEEDS))
    losses_alone = []
    for i in range(2):
        alone = slice(i, i + 1)
        asked = of_classes(CLASSES[alone], images=other_noise[alone], image_shapes=SHAPES[alone])
        for name, value in localizer(asked).items():
            np.testing.assert_allclose(value[0], together[name][i], atol=1e-2 if name == "boxes" else 1e-4)
        targets = {name: value[alone] for name, value in TARGETS.items()}
        losses_alone.append(localizer.training_losses(asked, targets, tf.constant(SEEDS[alone])))
    for name, value in losses.items():
        np.testing.assert_allclose(value, np.mean([one[name] for one in losses_alone]), rtol=1e-4, err_msg=name)


@pytest.mark.slow
def test_everything_is_the_same_compiled(trained):
    localizer = trained(rpn_batch_size=500)  # Everything is sampled: XLA's random numbers are others.

    def run(asked, targets, seeds):
        return localizer(asked), localizer.propose(asked), localizer.training_losses(asked, targets, seeds)

    arguments = tensors(of_classes()), tensors(OBJECTS), tf.constant(SEEDS)
    (eager, (boxes, exist), losses), compiled = run(*arguments), tf.function(run, jit_compile=True)(*arguments)
    np.testing.assert_allclose(compiled[0]["boxes"], eager["boxes"], atol=1e-2)
    np.testing.assert_allclose(compiled[0]["scores"], eager["scores"], atol=1e-4)
    np.testing.assert_allclose(compiled[1][0], boxes, atol=1e-2)
    np.testing.assert_array_equal(compiled[1][1], exist)
    for name, value in losses.items():
        np.testing.assert_allclose(compiled[2][name], value, rtol=1e-4, err_msg=name)


def second_stage(**options):
    """An R-CNN that takes the proposals of a small localizer."""
    net = keras_resnets.ResNet((1, 1, 1), (8, 8, 16), include_top=False)
    return RCNN(3, net, warp_size=32, warp_context=2, pool_size=4, **{"svm": False} | options)


@pytest.fixture
def both_stages(trained, randomize):
    localizer, rcnn = trained(), second_stage()
    for seed, part in enumerate((rcnn.trunk, rcnn.region_network, rcnn.head)):
        randomize(part, seed)
    layer = rcnn.head.get_layer("box_deltas")
    layer.set_weights([0.2 * weight for weight in layer.get_weights()])
    return localizer, rcnn


def test_the_second_stage_takes_the_likeliest_region_of_a_class_and_corrects_it(both_stages):
    localizer, rcnn = both_stages
    found = localize_in_two_stages(localizer, rcnn, of_classes())
    regions, exist = (values.numpy() for values in localizer.propose(of_classes()))
    changed = 0
    for i, (height, width) in enumerate(SHAPES):
        for place, label in enumerate(CLASSES[i]):
            if label == -1:
                assert not np.any(found["boxes"][i, place]) and found["scores"][i, place] == 0
                continue
            scores, deltas = rcnn.score(rcnn.features(inputs()), regions[:, place], inputs()["image_shapes"])
            best = np.argmax(np.where(exist[i, place], scores[i, :, label], 0))
            deltas = deltas[i, best, label].numpy() * rcnn.options.delta_stds
            box = decoded(deltas, regions[i, place, best], (height, width))
            np.testing.assert_allclose(found["boxes"][i, place], box, atol=1e-2)
            np.testing.assert_allclose(found["scores"][i, place], scores[i, best, label], atol=1e-5)
            changed += best > 0
    assert changed  # Otherwise this would say little.


@pytest.mark.parametrize("stages", [1, 2])
def test_an_export_says_the_same_of_any_number_of_classes(stages, both_stages, tmp_path):
    localizer, second = both_stages[0], {"second_stage": both_stages[1]} if stages == 2 else {}
    images, resizing = noise().astype("uint8"), Resizing(64, 96, (64, 96))
    path = export_localizer(localizer, resizing, ["a", "b", "c"], tmp_path / "export", warmup=True, **second)
    session = SavedModelSession(path)
    for asked in ([[2], [0]], [[0, 3, 1], [-1, 2, 7]]):  # 3, 7 and -1 are no classes.
        asked = np.int32(asked)
        classes = np.where(asked < 3, asked, -1)
        answer = session("serving_default", images=images, classes=asked)
        given = of_classes(classes, images=images, image_shapes=[[64, 96]] * 2)
        expected = localize_in_two_stages(*both_stages, given) if second else localizer(given)
        np.testing.assert_allclose(answer["boxes"], expected["boxes"], atol=1e-2)
        np.testing.assert_allclose(answer["scores"], expected["scores"], atol=1e-4)
        np.testing.assert_array_equal(answer["classes"], classes)
        labels = [["abc"[label].encode() if label >= 0 else b"" for label in row] for row in classes]
        assert answer["labels"].tolist() == labels
    large = np.repeat(np.repeat(images[0], 2, axis=0), 2, axis=1)  # Boxes are in its pixels.
    files = [tf.io.encode_png(large).numpy(), b"no image"]
    answer = session("image_bytes", image_bytes=files, classes=np.int32([[1, 2]] * 2))
    once = session("serving_default", images=large[np.newaxis], classes=np.int32([[1, 2]]))
    np.testing.assert_allclose(answer["boxes"][0], once["boxes"][0], rtol=1e-4)
    assert answer["boxes"][0].max() > 96 and answer["status"][0] == b"OK"
    assert answer["status"][1].startswith(b"INVALID_ARGUMENT") and np.all(answer["classes"][1] == -1)
    assert not np.any(answer["boxes"][1]) and not np.any(answer["scores"][1]) and set(answer["labels"][1]) == {b""}
    assert [{*request.inputs} for request in read_warmup(path)] == [{"classes", "images"}, {"classes", "image_bytes"}]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (lambda: (second_stage(), 3, {}), "model is a RCNN: pass a Localizer"),
        (lambda: (narrow(), 2, {}), "labels has 2 names for a model of 3 classes"),
        (
            lambda: (narrow(), 3, {"second_stage": narrow()}),
            "second_stage=<Localizer .* must be an RCNN with svm=False",
        ),
        (lambda: (narrow(), 3, {"second_stage": second_stage(svm=True)}), "must be an RCNN with svm=False, or None"),
    ],
)
def test_what_cannot_be_exported(arguments, message, tmp_path):
    model, count, others = arguments()
    with pytest.raises(ArgumentError, match=message):
        export_localizer(model, Resizing(64, 96, (64, 96)), ["a"] * count, tmp_path / "export", **others)
    assert not (tmp_path / "export").exists()


def test_classes_must_be_given():
    with pytest.raises(ArgumentError, match="inputs has images, image_shapes, but no classes: pass"):
        narrow()(inputs())


def test_fit_lowers_the_loss():
    localizer = narrow(train_batch_norm=True)
    localizer.compile(
        keras.optimizers.SGD(0.02, momentum=0.9), run_eagerly=True
    )  # Tracing would take most of the time.
    history = localizer.fit(inputs(), TARGETS, batch_size=2, epochs=4, verbose=0).history
    assert history.keys() == {"loss", "rpn_class", "rpn_box"}
    assert history["loss"][-1] < history["loss"][0]


def test_a_saved_localizer_says_the_same(trained, tmp_path):
    localizer = trained(normalization={"mean": (100, 110, 120), "std": (60, 50, 40)})
    localizer.save(tmp_path / "localizer.keras")
    loaded = keras.models.load_model(tmp_path / "localizer.keras")
    assert loaded.options == localizer.options
    for name, value in localizer(of_classes()).items():
        np.testing.assert_allclose(loaded(of_classes())[name], value, atol=1e-4)


def test_a_class_has_a_logit_and_four_deltas_for_each_of_k_anchors():
    k, classes, channels, filters = 6, 3, 16, 16
    convolution = 9 * channels * filters + filters
    assert parameters(narrow().rpn) == convolution + (filters + 1) * 5 * k * classes


def test_a_named_backbone_takes_a_classification_nets_weights(randomize, tmp_path):
    net = randomize(keras_resnets.create_model("resnet18"))
    net.save_weights(tmp_path / "net.weights.h5")
    localizer = Localizer(3, "resnet18", weights=tmp_path / "net.weights.h5", **SMALL)
    for layer in [layer for layer in localizer.trunk.layers if layer.weights]:
        for found, expected in zip(layer.get_weights(), net.get_layer(layer.name).get_weights(), strict=True):
            np.testing.assert_array_equal(found, expected)
    assert not any("bn" in variable.path for variable in localizer.trainable_variables)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"num_classes": 0}, "num_classes=0 must be a positive integer"),
        ({"backbone": "resnet19"}, "backbone='resnet19' is unknown: use plainnet18"),
        ({"roi_batch_size": 8}, "roi_batch_size=.* is not an argument of this model: use rpn_batch_size"),
        ({"post_nms_topk": 0}, "post_nms_topk=0 must be a positive integer"),
        ({"rpn_background_iou": 0.8}, "rpn_background_iou=0.8 must not be larger than rpn_foreground_iou=0.7"),
        ({"normalization": {"mean": (0, 0, 0)}}, "must be a dict of mean and std"),
    ],
)
def test_arguments_that_cannot_work(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        Localizer(**{"num_classes": 3, "backbone": "resnet18"} | arguments)
