"""The evaluation transform."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_resnets import ArgumentError
from keras_resnets.preprocessing import Preprocessing, decode, resized_window

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
        ((32, 32, 0, 1), "mean=0 and std=1 must have three values"),
    ],
)
def test_arguments_that_cannot_work(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        Preprocessing(*arguments)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "RGBA", "P", "I;16", "GIF", "BMP"])
def test_decode_makes_three_channels(mode):
    image = smooth_image(20, 30)
    picture = Image.fromarray(image)
    if mode == "I;16":
        picture = Image.fromarray(image[..., 0].astype("uint16") * 257)
    elif mode not in ("GIF", "BMP"):
        picture = picture.convert(mode)
    file = io.BytesIO()
    picture.save(file, {"CMYK": "JPEG", "GIF": "GIF", "BMP": "BMP"}.get(mode, "PNG"))
    pixels = decode(tf.constant(file.getvalue())).numpy()
    expected = np.asarray(Image.open(file).convert("RGB"), int)
    if mode == "I;16":
        expected = np.repeat(image[..., :1].astype(int), 3, axis=-1)
    assert pixels.shape == (20, 30, 3) and pixels.dtype == np.uint8
    # Decoders of JPEG may round differently.
    assert np.abs(pixels - expected).max() <= (2 if mode == "CMYK" else 0)
