"""Faster R-CNN with a feature pyramid: torchvision's figures, what is trained, and what it does inside of Keras."""

import io
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from narrow_detectors import SEEDS, SHAPES, TARGETS, assert_same, inputs, noise
from PIL import Image

import keras_resnets
from keras_resnets import ArgumentError, FasterRCNN
from keras_resnets.detection.registry import VERSION_2
from keras_resnets.detection.resizing import Resizing, to_original
from keras_resnets.dtype_policies import dtype_policy_scope
from keras_resnets.layers import PyramidRoIAlign, PyramidRoIPooling, RoIAlign
from keras_resnets.serving import SavedModelSession, export_detector
from keras_resnets.surgery.graph import leaf_layers

slow = pytest.mark.slow
SMALL = {
    "neck": "fpn",
    "anchor_sizes": (8, 16, 32, 64, 128),
    "canonical_size": 56,
    "pool_size": 3,
    "fpn_filters": 16,
    "rpn_filters": 16,
    "head_units": 32,
    "train_pre_nms_topk": 50,
    "train_post_nms_topk": 30,
    "test_pre_nms_topk": 50,
    "test_post_nms_topk": 20,
    "roi_batch_size": 16,
    "max_detections": 10,
}
VOC_STYLE = [
    {"voting_iou": 0.5, "box_refinement": True, "roi_pooling": "max"},
    {"scales": (0.5, 1.0), "global_context": True},
]


def net(build=keras_resnets.ResNet, **arguments):
    return build((1, 1, 1, 1), (8, 8, 16, 16), include_top=False, **arguments)


def narrow(build=keras_resnets.ResNet, **options):
    """Returns a small detector of three classes, with the weights of a fresh one."""
    return FasterRCNN(3, net(build), **SMALL | options)


@pytest.fixture(scope="module")
def backbone():
    """A net of which no detector is made."""
    return net()


def spread(detector):
    """Gives a detector's last layers weights with which scores are far from each other."""
    random = np.random.default_rng(0)
    for part, name, gain in [
        (detector.rpn, "rpn_logits", 1.0),
        (detector.rpn, "rpn_deltas", 0.1),
        (detector.head, "class_logits", 2.0),
        (detector.head, "box_deltas", 0.3),
    ]:
        layer = part.get_layer(name)
        kernel, bias = layer.get_weights()
        layer.set_weights(
            [random.normal(0, gain / len(kernel.reshape(-1, kernel.shape[-1])) ** 0.5, kernel.shape), bias]
        )
    return detector


@pytest.mark.parametrize(
    "name, trainable, frozen",
    [("faster_rcnn_resnet50_fpn", 41_755_286, 2 * 53_120), ("faster_rcnn_resnet50_fpn_v2", 43_659_158, 2 * 53_120)],
)
@pytest.mark.usefixtures("without_weights")
def test_parameters_are_torchvisions(name, trainable, frozen):
    detector = keras_resnets.create_detector(name)

    def count(weights):
        return sum(int(np.prod(weight.shape)) for weight in weights)

    statistics = [weight for weight in detector.weights if "moving_" in weight.path]
    in_backbone = [weight for weight in statistics if "fpn_" not in weight.path and "head_" not in weight.path]
    assert count(detector.trainable_weights) == trainable
    # Of the backbone, gamma and beta are frozen, and so are as many statistics, which torchvision does not count.
    assert count(in_backbone) == frozen // 2
    assert count(detector.weights) - count(statistics) == trainable + frozen // 2


@pytest.mark.parametrize("shape, sizes", [((64, 96), [(16, 24), (8, 12), (4, 6), (2, 3), (1, 2)]), ((75, 101), None)])
def test_maps_proposals_and_detections_have_their_shapes(shape, sizes):
    detector = narrow()
    given = inputs(noise(*shape), SHAPES if sizes else [[75, 101], [70, 90]])
    (maps,), proposals, valid = detector.propose(given)
    halves = [(-(-shape[0] // stride), -(-shape[1] // stride)) for stride in (4, 8, 16, 32, 64)]
    assert [tuple(part.shape) for part in maps] == [(2, *size, 16) for size in sizes or halves]
    assert proposals.shape == (2, 20, 4) and valid.shape == (2, 20)
    found = detector(given)
    assert {name: (tuple(value.shape), value.dtype.name) for name, value in found.items()} == {
        "boxes": ((2, 10, 4), "float32"),
        "scores": ((2, 10), "float32"),
        "classes": ((2, 10), "int32"),
        "num_detections": ((2,), "int32"),
    }
    losses = detector.training_losses(given, TARGETS, tf.constant(SEEDS))
    assert all(np.isfinite(value) and value > 0 for value in losses.values())


@pytest.mark.parametrize(
    "build, arguments",
    [
        (keras_resnets.ResNet, {"bottleneck": True}),
        (keras_resnets.ResNetV2, {}),
        (keras_resnets.ResNet, {"shortcut": None}),
    ],
    ids=["bottleneck", "version 2", "plain"],
)
def test_residual_and_plain_nets_learn_and_detect(build, arguments):
    detector = FasterRCNN(3, net(build, **arguments), **SMALL)
    losses = detector.training_losses(inputs(), TARGETS, tf.constant(SEEDS))
    assert losses.keys() == {"rpn_class", "rpn_box", "region_class", "region_box"}
    assert all(np.isfinite(value) and value > 0 for value in losses.values())
    assert np.all(np.isfinite(detector(inputs())["boxes"]))


@pytest.mark.parametrize(
    "build",
    [
        lambda: keras_resnets.VGG16(include_top=False, width=1 / 32),
        lambda: keras_resnets.ZFNet(include_top=False, padding="faster_rcnn", width=1 / 32),
        lambda: keras_resnets.InceptionV3(include_top=False),
        lambda: keras_resnets.CifarResNet(8, include_top=False),
    ],
)
@pytest.mark.usefixtures("without_weights")
def test_nets_without_such_stages_are_refused(build):
    with pytest.raises(ArgumentError, match="backbone=.* has no stages that halve the map, .*Pass a residual or plain"):
        FasterRCNN(3, build(), neck="fpn")


@pytest.mark.parametrize("train_batch_norm", [False, True])
def test_only_the_backbones_batch_normalization_is_frozen(train_batch_norm):
    detector = narrow(**VERSION_2, train_batch_norm=train_batch_norm)
    trained = {
        layer.name: layer.trainable
        for layer in leaf_layers(detector)
        if isinstance(layer, keras.layers.BatchNormalization)
    }
    new = {name: flag for name, flag in trained.items() if name.startswith(("fpn_", "head_"))}
    assert len(new) == 8 + 4 and all(new.values())
    assert len(trained) > len(new) + 5
    assert all(flag == train_batch_norm for name, flag in trained.items() if name not in new)


def test_fit_lowers_the_loss_and_evaluate_says_the_same_again():
    detector = narrow()
    detector.compile(keras.optimizers.SGD(0.02, momentum=0.9), run_eagerly=True)  # Tracing would take most of the time.
    before, again = (detector.evaluate(inputs(), TARGETS, verbose=0, return_dict=True) for _ in range(2))
    assert before == again
    weights = {weight.path: weight.numpy() for weight in detector.trainable_weights}
    detector.fit(inputs(), TARGETS, batch_size=2, epochs=3, verbose=0)
    assert detector.evaluate(inputs(), TARGETS, verbose=0, return_dict=True)["loss"] < before["loss"]
    assert all(np.any(weight.numpy() != weights[weight.path]) for weight in detector.trainable_weights)


@pytest.mark.parametrize("options", [{"roi_pooling": PyramidRoIAlign(3)}, VERSION_2 | {"roi_pooling": "max"}])
def test_a_saved_detector_says_the_same(options, tmp_path):
    detector = spread(narrow(**SMALL | options))
    detector.save(tmp_path / "detector.keras")
    loaded = keras.models.load_model(tmp_path / "detector.keras")
    expected = detector(inputs())
    assert np.all(expected["num_detections"] > 3)
    for name, value in loaded(inputs()).items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)
    assert loaded.options == detector.options
    assert loaded.roi_pooling.get_config() == detector.roi_pooling.get_config()


def test_an_export_equals_keras(tmp_path):
    detector, resizing = spread(narrow(**VERSION_2)), Resizing(64, 96, (64, 96), as_torchvision=True)
    session = SavedModelSession(export_detector(detector, resizing, ["a", "b", "c"], tmp_path))
    image = noise(90, 120, 1)[0].astype("uint8")
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    canvas, shape = resizing.pad(resizing.resize(image)[0])
    expected = detector(inputs(canvas[tf.newaxis], shape[tf.newaxis]))
    expected["boxes"] = to_original(expected["boxes"], resizing.resize(image)[1])
    for served in (
        session("serving_default", images=image[np.newaxis]),
        session("image_bytes", image_bytes=[file.getvalue()]),
    ):
        assert_same({name: served[name] for name in expected}, expected)


def test_mixed_precision_stays_inside():
    with dtype_policy_scope("mixed_bfloat16"):
        detector = spread(narrow())
    (maps,), proposals, _ = detector.propose(inputs())
    assert {part.dtype.name for part in maps} == {"bfloat16"} and proposals.dtype == "float32"
    found = detector(inputs())
    assert found["boxes"].dtype == found["scores"].dtype == "float32" and np.isfinite(found["boxes"]).all()
    losses = detector.training_losses(inputs(), TARGETS, tf.constant(SEEDS))
    assert all(value.dtype == "float32" and np.isfinite(value) for value in losses.values())
    assert all(weight.dtype == "float32" for weight in detector.weights)


@slow
def test_detections_and_losses_are_the_same_compiled():
    # Everything is sampled: XLA's random numbers are others.
    options = {"roi_batch_size": 64, "roi_positive_fraction": 0.5, "rpn_batch_size": 2000}
    detector = spread(narrow(**options))
    expected, losses = detector(inputs()), detector.training_losses(inputs(), TARGETS, tf.constant(SEEDS))
    detector.compile(keras.optimizers.SGD(0.0), jit_compile=True)
    assert_same(detector.predict(inputs(), verbose=0), expected)
    found = detector.evaluate(inputs(), TARGETS, verbose=0, return_dict=True)
    for name, value in losses.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-3, err_msg=name)
    assert np.isfinite(detector.fit(inputs(), TARGETS, verbose=0).history["loss"][0])


@pytest.mark.parametrize("options", VOC_STYLE, ids=" ".join)
def test_options_of_the_papers_work(options):
    detector = narrow(**options)
    found, losses = detector(inputs()), detector.training_losses(inputs(), TARGETS, tf.constant(SEEDS))
    assert np.isfinite(found["boxes"]).all() and all(np.isfinite(value) for value in losses.values())
    assert isinstance(detector.roi_pooling, PyramidRoIPooling if "roi_pooling" in options else PyramidRoIAlign)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"neck": "bifpn"}, "neck='bifpn' is unknown: use one of None, 'fpn'"),
        ({"anchor_sizes": (32, 64)}, r"anchor_sizes=\(32, 64\) must be 5 numbers, one for each level"),
        ({"head": "maxout"}, "head='maxout' must be 'mlp', 'conv', 'conv_bn'"),
        (
            {"roi_pooling": lambda: RoIAlign(7, 16)},
            "roi_pooling=<RoIAlign.* PyramidRoIPooling or PyramidRoI",
        ),
        (
            {"roi_pooling": lambda: PyramidRoIAlign(7, (8, 16))},
            r"roi_pooling has strides=\(8, 16\), but the pyra",
        ),
        ({"rpn_convolutions": 5}, "rpn_convolutions=5 must be an integer from 1 to 4"),
        ({"neck": None, "fpn_filters": 16}, "fpn_filters=16 is not an argument of this model"),
        (
            {"neck": None, "roi_pooling": lambda: PyramidRoIAlign(7)},
            "roi_pooling=<PyramidRoIAlign.*RoIPooling or RoI",
        ),
    ],
)
def test_arguments_that_cannot_work(arguments, message, backbone):
    arguments = {name: value() if callable(value) else value for name, value in arguments.items()}
    with pytest.raises(ArgumentError, match=message):
        FasterRCNN(3, backbone, **{"neck": "fpn", **arguments})


@slow
def test_two_replicas_learn_the_same_as_one(in_new_process):
    # Everything is sampled, so that the samples do not depend on the replica.
    process = in_new_process("""
import json
import keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, 2 * [tf.config.LogicalDeviceConfiguration()])
import keras_resnets
given = {"images": np.random.default_rng(0).uniform(0, 255, (2, 64, 96, 3)), "image_shapes": np.int32(2 * [[64, 96]])}
targets = {"boxes": np.float32([[[5, 5, 40, 40]], [[30, 10, 60, 50]]]), "classes": np.int32([[1], [2]])}
losses = []
for devices in (["CPU:0"], ["CPU:0", "CPU:1"]):
    with tf.distribute.MirroredStrategy(devices).scope():
        keras.utils.set_random_seed(0)
        net = keras_resnets.ResNet((1, 1, 1, 1), (8, 8, 16, 16), include_top=False)
        detector = keras_resnets.FasterRCNN(
            3, net, neck="fpn", anchor_sizes=(8, 16, 32, 64, 128), fpn_filters=16, rpn_filters=16, head_units=32,
            rpn_batch_size=2000, rpn_positive_fraction=1.0, train_post_nms_topk=20, roi_batch_size=64,
            roi_positive_fraction=1.0,
        )
        detector.compile(keras.optimizers.SGD(0.01))
    losses.append(detector.fit(given, targets, batch_size=2, epochs=3, shuffle=False, verbose=0).history["loss"])
print(json.dumps(losses))
""")
    assert process.returncode == 0, process.stderr[-2000:]
    one, two = json.loads(process.stdout.splitlines()[-1])
    np.testing.assert_allclose(two, one, rtol=1e-3)
    assert one[-1] < one[0]
