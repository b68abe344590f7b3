"""Image files are decoded as Pillow decodes them, upright, or refused with the reason."""

import functools
import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from image_formats import READABLE, REFUSED, with_orientation
from PIL import Image, ImageOps

from keras_resnets.images.inspection import inspect
from keras_resnets.images.parts import MOST
from keras_resnets.preprocessing import decode

STRING = [tf.TensorSpec((), tf.string)]
decode_fast = tf.function(decode, STRING)
decode_exactly = tf.function(functools.partial(decode, exact=True), STRING)
inspect_batch = tf.function(inspect, [tf.TensorSpec((None,), tf.string)])


def as_pillow(file):
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(file))).convert("RGB")).astype(int)


@pytest.mark.parametrize("kind", READABLE)
def test_every_kind_has_the_pixels_of_pillow(kind):
    expected = as_pillow(READABLE[kind])
    np.testing.assert_allclose(decode_exactly(READABLE[kind]), expected, atol=1 if "CMYK" in kind else 0)
    difference = np.abs(decode_fast(READABLE[kind]).numpy() - expected)
    assert difference.max() <= 4 * ("JPEG" in kind) and difference.mean() < 1


@pytest.mark.parametrize("byte_order", "<>")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_turned_images_are_upright(kind, byte_order):
    shapes = set()
    for orientation in range(10):  # 0 and 9 mean nothing
        file = with_orientation(kind, orientation, byte_order)
        image = decode_exactly(file).numpy()
        np.testing.assert_array_equal(image, as_pillow(file))
        shapes.add((orientation, image.shape))
    assert shapes == {(i, (37, 53, 3) if i not in (5, 6, 7, 8) else (53, 37, 3)) for i in range(10)}


def test_files_are_inspected_alone_and_together():
    files = [*READABLE.values(), *REFUSED.values(), *(with_orientation("PNG", i) for i in range(1, 9))]
    together = inspect_batch(files)
    reasons = [reason.decode() for reason in together.why_not.numpy()]
    assert reasons == [*("" for _ in READABLE), *REFUSED, *8 * [""]]
    assert together.orientation.numpy()[-8:].tolist() == [*range(1, 9)]
    for i, (file, size) in enumerate(zip(files, together.size.numpy())):
        if not reasons[i]:
            assert tuple(size) == ((0, 0) if file[:2] == b"\xff\xd8" else Image.open(io.BytesIO(file)).size)
        if i % 5 == 0:
            assert all(np.array_equal(one[0], all_[i]) for one, all_ in zip(inspect_batch([file]), together))


@pytest.mark.parametrize("reason", REFUSED)
def test_what_would_be_misread_is_refused(reason):
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        decode_fast(REFUSED[reason])
    assert reason in str(caught.value)


def test_damage_is_no_error_of_the_inspection():
    random, originals = np.random.default_rng(0), [*READABLE.values(), with_orientation("JPEG", 6)]
    files = []
    for content in map(bytearray, originals * 8):
        start = random.integers(100)
        content[start : start + random.integers(40)] = random.bytes(random.integers(40))
        files.append(bytes(content[: random.integers(20, len(content))]))
    inspected = inspect_batch(files)
    assert np.all((inspected.orientation >= 1) & (inspected.orientation <= 8))


def test_files_of_endless_parts_are_refused():
    png, gif, jpeg = READABLE["PNG"], READABLE["GIF"], READABLE["JPEG"]
    chunks = MOST * (4 * b"\0" + b"teXt" + 4 * b"\0")
    colors = 13 + 3 * 2 ** (gif[10] % 8 + 1)
    files = [
        png[:33] + chunks + png[33:],
        gif[:colors] + b"\x21\xfe" + MOST * b"\1x" + b"\0" + gif[colors:],
        jpeg[:2] + MOST * b"\xff\xfe\0\2" + jpeg[2:],
    ]
    # Without a limit, a file of 10 MB keeps a reader busy for many seconds.
    reasons = inspect_batch(files).why_not.numpy().tolist()
    assert reasons == 3 * [f"it has more than {MOST} parts before its image: save it again".encode()]


@pytest.mark.parametrize("offset", [0xFFFFFFF0, 0xFFFFFFFF, 0x80000000, 0x7FFFFFFF])
def test_an_orientation_whose_place_is_beyond_the_file_is_none(offset):
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    before = struct.pack("<H", 1) + entry  # 14 bytes, which end 8 bytes before the TIFF file
    tiff = b"II*\0" + struct.pack("<I", offset)
    jpeg = READABLE["JPEG"]
    comment = b"\xff\xfe" + struct.pack(">H", 2 + len(before)) + before
    exif = b"\xff\xe1" + struct.pack(">H", 8 + len(tiff)) + b"Exif\0\0" + tiff
    file = jpeg[:2] + comment + exif + jpeg[2:]
    for distance in range(40):  # from the directory to the TIFF file
        wrapped = file.replace(tiff, b"II*\0" + struct.pack("<I", (offset - distance) % 2**32))
        assert inspect_batch([wrapped]).orientation.numpy().tolist() == [1]
