"""Encoded images in an export's graph: kinds, damage, limits."""

import functools
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_resnets.preprocessing import decode
from keras_resnets.serving.formats import MAX_PIXELS
from keras_resnets.serving.image_bytes import DAMAGED, OK, decode_batch

SHAPE = (37, 53)  # height, width
PIXELS = SHAPE[0] * SHAPE[1]
SPECS = [tf.TensorSpec((2,), tf.int32), tf.TensorSpec((), tf.float32)]


def photo(mode="RGB"):
    """An image that every encoder can write: a gradient."""
    ramp = np.add.outer(np.arange(SHAPE[0]), np.arange(SHAPE[1])) * 2
    return Image.fromarray(np.stack([ramp, 255 - ramp, ramp // 2], axis=-1).astype("uint8")).convert(mode)


def encoded(kind, mode="RGB", **options):
    file = io.BytesIO()
    photo(mode).save(file, kind, **options)
    return file.getvalue()


def sixteen_bits():
    file = io.BytesIO()
    Image.fromarray(np.asarray(photo("L")).astype("uint16") * 257).save(file, "PNG")
    return file.getvalue()


def animated():
    return encoded("GIF", save_all=True, append_images=[photo().rotate(180)] * 2)


def top_down_bitmap():
    content = bytearray(encoded("BMP"))
    content[22:26] = (-SHAPE[0]).to_bytes(4, "little", signed=True)
    return bytes(content)


KINDS = {
    "JPEG": encoded("JPEG", quality=95),
    "grayscale JPEG": encoded("JPEG", "L", quality=95),
    "CMYK JPEG": encoded("JPEG", "CMYK", quality=95),
    "progressive JPEG": encoded("JPEG", progressive=True),
    "PNG": encoded("PNG"),
    "RGBA PNG": encoded("PNG", "RGBA"),
    "palette PNG": encoded("PNG", "P"),
    "grayscale PNG": encoded("PNG", "L"),
    "16-bit PNG": sixteen_bits(),
    "GIF": encoded("GIF"),
    "animated GIF": animated(),
    "BMP": encoded("BMP"),
    "BMP from top to bottom": top_down_bitmap(),
}


@functools.cache
def decoder(max_pixels):
    """Returns the function from files to the shape and the mean of each image, and its status."""

    def transform(image):
        return tf.shape(image)[:2], tf.reduce_mean(tf.cast(image, tf.float32))

    return tf.function(
        lambda image_bytes: decode_batch(image_bytes, transform, SPECS, max_pixels),
        input_signature=[tf.TensorSpec((None,), tf.string)],
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_decoded_and_its_size_known_before(kind):
    (shapes, means), status = decoder(PIXELS)([KINDS[kind]])
    assert status[0] == OK.encode() and tuple(shapes[0]) == SHAPE
    assert means.numpy()[0] == pytest.approx(np.mean(decode(KINDS[kind])), abs=1e-3)
    (shapes, means), status = decoder(PIXELS - 1)([KINDS[kind]])
    expected = f"INVALID_ARGUMENT: 53x37 pixels are more than the limit of {PIXELS - 1}: send a smaller image"
    assert status.numpy()[0].decode() == expected
    assert np.all(shapes == 0) and means[0] == 0


def test_an_animation_is_its_first_frame():
    first = np.asarray(Image.open(io.BytesIO(KINDS["animated GIF"])).convert("RGB"))
    np.testing.assert_array_equal(decode(KINDS["animated GIF"]), first)


def test_a_damaged_image_does_not_take_down_the_others():
    damaged = [b"", b"x", KINDS["JPEG"][:200], KINDS["PNG"][:100], encoded("WEBP"), encoded("TIFF")]
    good = KINDS["PNG"]
    (shapes, _), status = decoder(PIXELS)([good, *damaged, good])
    assert list(status.numpy()) == [OK.encode(), *[DAMAGED.encode()] * len(damaged), OK.encode()]
    assert [tuple(shape) for shape in shapes.numpy()] == [SHAPE, *[(0, 0)] * len(damaged), SHAPE]


def test_a_small_file_cannot_ask_for_much_memory():
    """Headers that claim 65,500 x 65,500 pixels or more, which no one decodes."""
    huge = {
        "PNG": (16, (65500).to_bytes(4, "big") * 2),
        "GIF": (6, (65500).to_bytes(2, "little") * 2),
        "BMP": (18, (65500).to_bytes(4, "little") * 2),
    }
    files = []
    for kind, (place, sides) in huge.items():
        content = bytearray(KINDS[kind])
        content[place : place + len(sides)] = sides
        files.append(bytes(content))
    jpeg = bytearray(KINDS["JPEG"])
    place = jpeg.index(b"\xff\xc0") + 5
    jpeg[place : place + 4] = (65500).to_bytes(2, "big") * 2
    _, status = decoder(MAX_PIXELS)([*files, bytes(jpeg)])
    expected = b"INVALID_ARGUMENT: 65500x65500 pixels are more than the limit of 25000000: send a smaller image"
    assert list(status.numpy()) == [expected] * 4
