"""Encoded images in an export's graph: kinds, damage, limits."""

import functools
import io

import numpy as np
import tensorflow as tf
from image_formats import READABLE, REFUSED, SIZE, with_orientation
from PIL import Image

from keras_resnets.images.inspection import DAMAGED
from keras_resnets.serving.formats import MAX_PIXELS
from keras_resnets.serving.image_bytes import OK, decode_batch

SHAPE = SIZE[::-1]
PIXELS = SHAPE[0] * SHAPE[1]
SPECS = [tf.TensorSpec((2,), tf.int32), tf.TensorSpec((), tf.float32)]


@functools.cache
def decoder(max_pixels):
    """Returns the function from files to the shape and the mean of each image, and its status."""

    def transform(image):
        return tf.shape(image)[:2], tf.reduce_mean(tf.cast(image, tf.float32))

    return tf.function(
        lambda image_bytes: decode_batch(image_bytes, transform, SPECS, max_pixels),
        input_signature=[tf.TensorSpec((None,), tf.string)],
    )


def test_every_kind_is_decoded_and_its_size_known_before():
    (shapes, means), status = decoder(PIXELS)([*READABLE.values()])
    assert set(status.numpy()) == {OK.encode()} and {tuple(shape) for shape in shapes.numpy()} == {SHAPE}
    pillows = [np.mean(Image.open(io.BytesIO(file)).convert("RGB")) for file in READABLE.values()]
    differences = dict(zip(READABLE, np.abs(means - np.array(pillows))))
    assert all(difference < (1 if "JPEG" in kind else 1e-3) for kind, difference in differences.items())
    (shapes, means), status = decoder(PIXELS - 1)([*READABLE.values()])
    expected = (
        f"INVALID_ARGUMENT: 53x37 pixels are more than the limit of {PIXELS - 1}: send a smaller image, or export"
    )
    assert set(status.numpy()) == {f"{expected} with a higher --max_pixels".encode()}
    assert np.all(shapes == 0) and np.all(means == 0)


def test_turned_images_are_upright():
    files = [with_orientation("JPEG", orientation) for orientation in range(1, 9)]
    (shapes, means), _ = decoder(PIXELS)(files)
    assert [tuple(shape) for shape in shapes.numpy()] == 4 * [SHAPE] + 4 * [SIZE]
    np.testing.assert_allclose(means, means[0], atol=1e-3)


def test_a_file_that_cannot_be_used_does_not_take_down_the_others():
    damaged = [READABLE["JPEG"][:200], READABLE["PNG"][:100]]
    good = READABLE["PNG"]
    (shapes, _), status = decoder(PIXELS)([good, *REFUSED.values(), *damaged, good])
    reasons = [f"INVALID_ARGUMENT: {reason}" for reason in (*REFUSED, DAMAGED, DAMAGED)]
    assert [text.decode() for text in status.numpy()] == [OK, *reasons, OK]
    assert [tuple(shape) for shape in shapes.numpy()] == [SHAPE, *[(0, 0)] * len(reasons), SHAPE]


def test_a_small_file_cannot_ask_for_much_memory():
    """Headers that claim 65,500 x 65,500 pixels or more, which no one decodes."""
    huge = {
        "PNG": (16, (65500).to_bytes(4, "big") * 2),
        "GIF": (6, (65500).to_bytes(2, "little") * 2),
        "BMP": (18, (65500).to_bytes(4, "little") * 2),
    }
    files = []
    for kind, (place, sides) in huge.items():
        content = bytearray(READABLE[kind])
        content[place : place + len(sides)] = sides
        files.append(bytes(content))
    jpeg = bytearray(READABLE["JPEG"])
    place = jpeg.index(b"\xff\xc0") + 5
    jpeg[place : place + 4] = (65500).to_bytes(2, "big") * 2
    _, status = decoder(MAX_PIXELS)([*files, bytes(jpeg)])
    too_large = b"INVALID_ARGUMENT: 65500x65500 pixels are more than the limit of 25000000: send a smaller image, or"
    assert [text.startswith(too_large) for text in status.numpy()] == [True, False, False, True]
    # The frame of the GIF is small, and the file of the BMP too short.
    assert status.numpy()[1:3].tolist() == [b"INVALID_ARGUMENT: " + reason.encode() for reason in [*REFUSED][-5::4]]
