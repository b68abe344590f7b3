"""The evaluation transform."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf
from cropped_photos import differences_of_crops
from PIL import Image

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.preprocessing import Preprocessing, resized_window

REFERENCES = pathlib.Path(__file__).with_name("references")
PLAIN = {"mean": (0, 0, 0), "std": (1, 1, 1)}


def smooth_image(height, width):
    y, x = np.mgrid[:height, :width]
    channels = [127 + 100 * np.sin(x / 17), 127 + 100 * np.cos(y / 23), (x + y) % 256 * 0 + 90]
    return np.stack(channels, axis=-1).astype("uint8")


def test_an_image_of_the_right_size_keeps_its_values():
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype="uint8")
    preprocessing = Preprocessing(32, 32, **PLAIN)
    np.testing.assert_array_equal(preprocessing(image), image)
    # Also when the size is not known before the graph runs, as in an export.
    dynamic = tf.function(preprocessing, input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8)])
    np.testing.assert_array_equal(dynamic(image[np.newaxis])[0], image)


def test_a_thin_image_is_not_blown_up():
    # 1 pixel wide and 100,000 high, with a short side of 256: resized as a whole it would take 78 GiB.
    image = np.zeros((100_000, 1, 3), "uint8")
    image[50_000:] = 200
    result = Preprocessing(224, 256, **PLAIN)(image).numpy()
    assert result.shape == (224, 224, 3)
    # The crop sees 0.875 of a pixel around the edge between black and gray.
    np.testing.assert_allclose(result[[0, -1], 0, 0], [12.5, 187.5], rtol=1e-4)


@pytest.mark.parametrize("height, width", [(300, 200), (200, 300), (100, 777), (64, 64), (40, 50)])
def test_short_side_then_centre(height, width):
    image = smooth_image(height, width)
    result = Preprocessing(56, 64, **PLAIN)(image).numpy()
    # Pillow resizes with the same antialiased bilinear filter.
    scale = 64 / min(height, width)
    size = (max(64, round(width * scale)), max(64, round(height * scale)))
    resized = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR), "float32")
    top, left = (resized.shape[0] - 56) // 2, (resized.shape[1] - 56) // 2
    np.testing.assert_allclose(result, resized[top : top + 56, left : left + 56], atol=1.5)


@pytest.mark.parametrize("height, width", [(50, 90), (13, 31), (1, 7), (300, 2)])
def test_resizing_is_that_of_tensorflow_bit_for_bit(height, width):
    """A run that is resumed sees the same images, whatever way of computing them is the fastest."""
    images = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), "uint8")
    expected = tf.image.resize(images, (40, 30), antialias=True).numpy()
    np.testing.assert_array_equal(resized_window(images, [40, 30], [0, 0], [40, 30]), expected)
    window = tf.function(resized_window)(images, [40, 30], [5, 7], tf.constant([20, 11]))
    np.testing.assert_allclose(window, expected[:, 5:25, 7:18], atol=1e-3)


def test_a_batch_is_its_images():
    images = np.stack([smooth_image(80, 90), smooth_image(80, 90)[::-1]])
    preprocessing = Preprocessing(32, 40, mean=(1, 2, 3), std=(4, 5, 6))
    np.testing.assert_allclose(preprocessing(images), [preprocessing(image) for image in images], atol=1e-4)


def test_normalisation():
    image = np.full((8, 8, 3), (10, 20, 30), "uint8")
    result = Preprocessing(8, 8, mean=(10, 10, 10), std=(1, 2, 4))(image)
    np.testing.assert_array_equal(result[0, 0], [0, 5, 5])
    np.testing.assert_array_equal(image[0, 0], [10, 20, 30])


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((64, 32, (0, 0, 0), (1, 1, 1)), "short_side=32 must be at least size=64"),
        ((0, 32, (0, 0, 0), (1, 1, 1)), "size=0"),
        ((32, 32, (0, 0), (1, 1, 1)), "must have three values"),
        ((32, 32, (0, 0, 0), (1, 0, 1)), "std's positive"),
        ((32, 32, (0, 0, 0), (1, 1, 1), False, "nearest"), "pillow_filter='nearest' is unknown"),
        ((32, 32, 0, 1), "mean=0 and std=1 must have three values"),
    ],
)
def test_arguments_that_cannot_work(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        Preprocessing(*arguments)


@pytest.mark.parametrize(
    "shape, remedy",
    [
        ((2, 8, 8, 4), "leave out the transparency of RGBA: images"),
        ((8, 8, 1), "repeat the channel of grayscale"),
        ((8, 8), "pass .*RGB"),
        ((1, 3, 8, 8), "pass .*RGB"),
    ],
)
def test_images_of_other_than_three_channels_are_refused(shape, remedy):
    with pytest.raises(ArgumentError, match=f"must have three channels, the last: {remedy}"):
        keras_resnets.preprocess_input(np.zeros(shape), "resnet50")


def test_the_likeliest_classes_of_imagenet_have_names(tmp_path, monkeypatch):
    info = tmp_path / "timm" / "data" / "_info"  # as in the package, which is not imported
    info.mkdir(parents=True)
    (tmp_path / "timm" / "__init__.py").write_text("raise ImportError('PyTorch is loaded')")
    numbers = [f"n{i:08}" for i in range(1000)]
    (info / "imagenet_synsets.txt").write_text("\n".join(numbers))
    lemmas = [f"{number}\tgreat shark {number[-3:]}, other name\n" for number in reversed(numbers)]
    (info / "imagenet_synset_to_lemma.txt").write_text("".join(lemmas))
    monkeypatch.syspath_prepend(tmp_path)
    predictions = np.zeros((2, 1000), "float32")
    predictions[0, [3, 999]] = 0.75, 0.25
    predictions[1, 7] = 1
    best = keras_resnets.decode_predictions(predictions, top=2)
    assert best[0] == [("n00000003", "great_shark_003", 0.75), ("n00000999", "great_shark_999", 0.25)]
    assert best[1][0] == ("n00000007", "great_shark_007", 1) and len(best[1]) == 2
    assert len(keras_resnets.decode_predictions(tf.constant(predictions))[0]) == 5
    with pytest.raises(ArgumentError, match="predictions=.2, 10. must be .B, 1000., of ImageNet"):
        keras_resnets.decode_predictions(predictions[:, :10])
    with pytest.raises(ArgumentError, match="top=0 must be an integer from 1 to 1000"):
        keras_resnets.decode_predictions(predictions, top=0)


def test_torchvision_and_timm_crop_the_same():
    """In the file are crops by torchvision 0.29 and Pillow 13."""
    differences = [*differences_of_crops(REFERENCES / "torchvision_crops.npz")]
    assert len(differences) == 12
    assert max(difference.max() for difference in differences) <= 1
    assert max(difference.mean() for difference in differences) < 0.05


@pytest.mark.slow
def test_a_large_photograph_takes_little_more_memory_than_its_pixels(in_new_process, tmp_path):
    process = in_new_process(
        "import resource, sys, tensorflow as tf\n"
        "from keras_resnets.preprocessing import Preprocessing\n"
        "from keras_resnets.detection.resizing import Resizing\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "crop = Preprocessing(224, 256, (0, 0, 0), (1, 1, 1), pillow_filter=sys.argv[1] or None).crop\n"
        "for function in (crop, Resizing(600, 1000, (1000, 1000)).resize):\n"
        "    function(tf.zeros([600, 800, 3], tf.uint8))\n"
        "    photograph, before = tf.zeros([6144, 8192, 3], tf.uint8), peak()\n"
        "    function(photograph)\n"
        "    assert peak() - before < 100, peak() - before\n",
        arguments=[""],
    )
    assert process.returncode == 0, process.stderr


def test_weights_are_measured_as_their_publishers_did():
    ours = Preprocessing(224, 256, (120, 120, 120), (60, 60, 60))
    measured = {net: ours.for_weights(net, "imagenet") for net in ("resnet18", "resnet50_v2", "googlenet", "resnet50")}
    filters = {net: preprocessing.pillow_filter for net, preprocessing in measured.items()}
    assert filters == {"resnet18": "bilinear", "resnet50_v2": "bicubic", "googlenet": "bilinear", "resnet50": None}
    assert ours.pillow_filter is None and measured["resnet50_v2"].short_side == 224
