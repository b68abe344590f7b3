"""BMP files. TensorFlow reads the indices of a palette as colors, and does not know every header.

Sources: Microsoft's BITMAPCOREHEADER and BITMAPINFOHEADER to BITMAPV5HEADER; OS/2's headers; Pillow 13, which this
decoder is equal to.
"""

import functools
from typing import NamedTuple

import tensorflow as tf

from keras_resnets.images.findings import Findings, nothing
from keras_resnets.images.numbers import little_endian, read

HEADERS = (12, 40, 52, 56, 64, 108, 124)  # the sizes in bytes tell the kinds of headers apart
OLDEST = 12
BITS = (1, 4, 8, 16, 24, 32)
RAW, RUN_LENGTHS, BITFIELDS = 0, (1, 2), 3  # values of `compression`
FIELDS = (  # the masks of red, green and blue; those that a file states must be among them
    (0x7C00, 0x3E0, 0x1F),
    (0xF800, 0x7E0, 0x1F),
    (0xFF0000, 0xFF00, 0xFF),
    (0xFF000000, 0xFF0000, 0xFF00),
    (0xFF000000, 0xFF00, 0xFF),
    (0xFF, 0xFF00, 0xFF0000),
)
COLORS = 256  # of the largest palette
RUN_LENGTH_ENCODED = "it is a run-length encoded BMP: save it as PNG"
RARE = "it is a BMP of a rare kind: save it as PNG"
CUT_OFF = "it is a BMP that is cut off or damaged"


class _Header(NamedTuple):
    """The header of bitmaps of any shape (...): int64, and a bool."""

    size: tf.Tensor  # of the header, in bytes
    width: tf.Tensor
    height: tf.Tensor
    from_top: tf.Tensor  # whether the first row is the top one
    bits: tf.Tensor  # of a pixel
    compression: tf.Tensor
    colors: tf.Tensor  # of the palette
    masks: tf.Tensor  # (..., 3)
    pixels: tf.Tensor  # where they begin


def _header(files):
    head = read(files, 0, 66)

    def number(start, count):
        return little_endian(head[..., start : start + count])

    size = number(14, 4)
    is_oldest, zero = tf.equal(size, OLDEST), tf.zeros_like(size)
    newer = functools.partial(tf.where, is_oldest)  # a value of the oldest header, and of the others
    height, bits = number(22, 4), newer(number(24, 2), number(28, 2))
    from_top = ~is_oldest & (height >= 0xFF000000)
    compression, stated = newer(zero, number(30, 4)), newer(zero, number(46, 4))
    colors = tf.where(stated > 0, stated, 2 ** tf.minimum(bits, 8))
    masks = tf.stack([number(54, 4), number(58, 4), number(62, 4)], axis=-1)
    usual = tf.where(tf.equal(bits, 16)[..., tf.newaxis], tf.constant(FIELDS[0], tf.int64), FIELDS[2])
    has_masks = tf.equal(compression, BITFIELDS) & tf.reduce_any(masks > 0, axis=-1)
    pixels, palette = number(10, 4), newer(3 * colors, 4 * colors)
    # Some files state that pixels begin where the palette does.
    return _Header(
        size,
        newer(number(18, 2), number(18, 4)),
        newer(number(20, 2), tf.where(from_top, 2**32 - height, height)),
        from_top,
        bits,
        compression,
        colors,
        tf.where(has_masks[..., tf.newaxis], masks, usual),
        pixels + tf.where((bits <= 8) & tf.equal(pixels, 14 + size), palette, zero),
    )


def inspect(files: tf.Tensor) -> Findings:
    """Returns what files of shape (...) are."""
    header = _header(files)
    is_fields = tf.reduce_all(tf.equal(header.masks[..., tf.newaxis, :], tf.constant(FIELDS, tf.int64)), axis=-1)
    is_known = _one_of(header.size, HEADERS) & _one_of(header.bits, BITS)
    has_palette = (header.bits <= 8) & tf.equal(header.compression, RAW)
    has_fields = (header.bits > 8) & _one_of(header.compression, (RAW, BITFIELDS)) & tf.reduce_any(is_fields, axis=-1)
    end = header.pixels + _row_bytes(header) * header.height
    # The limit of the sides keeps the products in 64 bits.
    is_whole = (header.width > 0) & (header.height > 0) & (tf.maximum(header.width, header.height) < 2**24)
    is_whole &= end <= tf.cast(tf.strings.length(files), tf.int64)
    reason = tf.where(is_known & (has_palette | has_fields), tf.where(is_whole, "", CUT_OFF), RARE)
    reason = tf.where(_one_of(header.compression, RUN_LENGTHS), RUN_LENGTH_ENCODED, reason)
    size = tf.stack([header.width, header.height], axis=-1)
    return nothing(files)._replace(size=size, why_not=reason)


def _one_of(value, values):
    return tf.reduce_any(tf.equal(value[..., tf.newaxis], tf.constant(values, tf.int64)), axis=-1)


def _row_bytes(header):
    return (header.width * header.bits + 31) // 32 * 4


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a bitmap, a scalar string, which can be decoded; returns (H, W, 3) uint8."""
    header = _header(encoded)
    height, stride = tf.cast(header.height, tf.int32), tf.cast(_row_bytes(header), tf.int32)
    content = tf.strings.substr(encoded, tf.cast(header.pixels, tf.int32), height * stride)
    rows = tf.reshape(tf.io.decode_raw(content, tf.uint8), [height, stride])
    rows = tf.cond(header.from_top, lambda: rows, lambda: rows[::-1])
    image = tf.case(
        [
            (header.bits <= 8, lambda: _of_palette(rows, header, encoded)),
            (tf.equal(header.bits, 16), lambda: _of_bits(rows, header)),
        ],
        default=lambda: _of_bytes(rows, header),
    )
    return tf.ensure_shape(image, [None, None, 3])


def _of_palette(rows, header, encoded):
    entry = tf.where(tf.equal(header.size, OLDEST), 3, 4)
    table = read(encoded, 14 + header.size, 4 * COLORS)
    places = tf.range(COLORS)[:, tf.newaxis] * entry + [2, 1, 0]
    is_color = tf.range(COLORS, dtype=tf.int64) < header.colors
    palette = tf.cast(tf.where(is_color[:, tf.newaxis], tf.gather(table, places), 0), tf.uint8)
    bits = tf.cast(header.bits, tf.int32)
    shifts = tf.cast(tf.range(8 - bits, -1, -bits), tf.uint8)
    pixels = tf.bitwise.right_shift(rows[..., tf.newaxis], shifts)
    pixels = tf.bitwise.bitwise_and(pixels, tf.cast(2**bits - 1, tf.uint8))
    pixels = tf.reshape(pixels, [tf.shape(rows)[0], -1])[:, : header.width]
    return tf.gather(palette, tf.cast(pixels, tf.int32))


def _of_bits(rows, header):
    """Returns the image of pixels of 16 bits: 5, or 6 for green, of each color."""
    pairs = tf.cast(tf.reshape(rows[:, : 2 * header.width], [tf.shape(rows)[0], -1, 2]), tf.int32)
    pixels = (pairs[..., 0] + 256 * pairs[..., 1])[..., tf.newaxis]
    masks = tf.cast(header.masks, tf.int32)
    lowest = tf.bitwise.bitwise_and(masks, -masks)
    return tf.cast(tf.bitwise.bitwise_and(pixels, masks) // lowest * 255 // (masks // lowest), tf.uint8)


def _of_bytes(rows, header):
    """Returns the image of pixels of 24 or 32 bits: a byte of each color."""
    width, count = tf.cast(header.width, tf.int32), tf.cast(header.bits // 8, tf.int32)
    pixels = tf.reshape(rows[:, : width * count], [-1, width, count])
    masks_of_bytes = tf.constant([0xFF << 8 * i for i in range(4)], tf.int64)
    places = tf.argmax(tf.equal(header.masks[:, tf.newaxis], masks_of_bytes), axis=-1)
    return tf.gather(pixels, places, axis=-1)
