"""Detectors in Keras code: export, quantization, compile and fit, and inputs that cannot work."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from narrow_detectors import TARGETS, inputs

import keras_resnets
from keras_resnets import ArgumentError


def narrow_detector(build=keras_resnets.FasterRCNN, **options):
    net = keras_resnets.ResNet((1, 1), (8, 16), include_top=False)  # Few layers are traced quickly.
    return build(3, net, anchor_sizes=(16, 32), **options)


def with_channels(count):
    return {**inputs(), "images": np.repeat(inputs()["images"][..., :1], count, axis=-1)}


@pytest.fixture(scope="module")
def detector():
    return narrow_detector(train_post_nms_topk=20, test_post_nms_topk=20, roi_batch_size=8)


def test_a_detector_is_exported_after_predict(detector, tmp_path):
    with pytest.raises(ArgumentError, match="input_signature=None is that of the last call, .* has not been called"):
        narrow_detector().export(tmp_path / "uncalled", verbose=False)
    expected = detector.predict(inputs(), verbose=0)
    detector.export(tmp_path / "export", verbose=False)
    exported = tf.saved_model.load(tmp_path / "export")
    served = exported.serve({name: tf.constant(x) for name, x in inputs().items()})
    assert served.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(served[name], values, atol=1e-4)


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
def test_a_detector_that_has_not_been_trained_is_quantized():
    detector = narrow_detector()
    detector.quantize("int8")
    assert np.all(np.isfinite(detector(inputs())["scores"]))


@pytest.mark.parametrize(
    "arguments", [{"loss": "mse"}, {"metrics": ["accuracy"]}, {"weighted_metrics": []}, {"loss_weights": [1.0]}]
)
def test_losses_and_metrics_of_others_are_refused(detector, arguments):
    (name,) = arguments
    with pytest.raises(ArgumentError, match=f"{name}=.* cannot be used: a detector has its own losses"):
        detector.compile("sgd", **arguments)


def test_a_compiled_detector_is_saved_with_its_optimizer(detector, tmp_path):
    detector.compile(keras.optimizers.SGD(0.01, momentum=0.9), run_eagerly=True)
    detector.fit(inputs(), TARGETS, verbose=0)
    detector.save(tmp_path / "detector.keras")
    loaded = keras.models.load_model(tmp_path / "detector.keras")
    assert int(loaded.optimizer.iterations) == 1 and float(loaded.optimizer.learning_rate) == pytest.approx(0.01)
    for ours, saved in zip(loaded.optimizer.variables, detector.optimizer.variables, strict=True):
        np.testing.assert_array_equal(ours, saved)


@pytest.mark.parametrize(
    "given, targets, message",
    [
        ({"images": inputs()["images"]}, TARGETS, "inputs has images, but no image_shapes: pass .B, 2., height and"),
        (inputs()["images"], TARGETS, "inputs is an array of shape .*, 3.: pass a dict of images"),
        (with_channels(4), TARGETS, r"images=\(.*, 4\) must have three channels, .*transparency of RGBA: images"),
        (with_channels(1), TARGETS, r"images=\(.*, 1\) must have three channels, .*grayscale: np.repeat"),
        (inputs(), TARGETS["boxes"], "the targets must be a dict of boxes, .B, G, 4., and classes"),
        (
            inputs(),
            {**TARGETS, "classes": TARGETS["classes"] + 1},
            "classes of the targets must be from 0 to 2 for num_classes=3, .*: subtract 1 where they count from 1",
        ),
    ],
    ids=["image_shapes", "no_dict", "RGBA", "grayscale", "boxes_only", "classes_from_1"],
)
def test_inputs_and_targets_that_cannot_work(detector, given, targets, message):
    detector.compile("sgd")
    with pytest.raises(ArgumentError, match=message):
        detector.fit(given, targets, verbose=0)
    if targets is TARGETS:
        with pytest.raises(ArgumentError, match=message):
            detector(given)


@pytest.mark.parametrize("channels", [1, 4])
def test_images_of_other_channels_are_refused_in_predict_after_others(channels, detector):
    detector.predict(inputs(), verbose=0)
    # TensorFlow has made one graph of both numbers, which knows neither.
    with pytest.raises(ArgumentError, match=rf"^images=\(.*, ({channels}|None)\) must have three channels"):
        detector.predict(with_channels(channels), verbose=0)


def test_predict_names_what_it_was_given(detector):
    with pytest.raises(ArgumentError, match="inputs is an array of shape .*: pass a dict of images, .B, H, W, 3., and"):
        detector.predict(inputs()["images"], verbose=0)


def test_a_localizer_learns_without_classes_in_its_input():
    localizer = narrow_detector(keras_resnets.Localizer)
    localizer.compile("sgd")
    assert np.isfinite(localizer.fit(inputs(), TARGETS, verbose=0).history["loss"][0])


@pytest.mark.parametrize(
    "model, options",
    [
        ("Localizer", {}),
        pytest.param("FasterRCNN", {"train_post_nms_topk": 20, "roi_batch_size": 8}, marks=pytest.mark.slow),
    ],
)
def test_a_replica_without_an_image_adds_nothing(model, options, in_new_process):
    # Of three images in batches of two, the second replica has none in the last batch.
    program = """
import json, sys
import keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, 2 * [tf.config.LogicalDeviceConfiguration()])
import keras_resnets
model, options = sys.argv[1], json.loads(sys.argv[2])
shapes = np.array(3 * [[64, 96]], "int32")
given = {"images": np.random.default_rng(0).uniform(0, 255, (3, 64, 96, 3)), "image_shapes": shapes}
targets = {"boxes": np.float32(3 * [[[5, 5, 40, 40]]]), "classes": np.int32(3 * [[1]])}
losses = []
for devices in (["CPU:0"], ["CPU:0", "CPU:1"]):
    with tf.distribute.MirroredStrategy(devices).scope():
        keras.utils.set_random_seed(0)
        net = keras_resnets.ResNet((1, 1), (8, 16), include_top=False)
        detector = getattr(keras_resnets, model)(3, net, anchor_sizes=(16, 32), train_batch_norm=False, **options)
        detector.compile(keras.optimizers.SGD(0.0))
    losses.append(detector.fit(given, targets, batch_size=2, shuffle=False, verbose=0).history["loss"][0])
print(json.dumps(losses))
"""
    process = in_new_process(program, [model, json.dumps(options)])
    one, two = json.loads(process.stdout.splitlines()[-1])
    assert np.isfinite(two) and two == pytest.approx(one, rel=0.2)  # Other samples of regions are learnt from.
