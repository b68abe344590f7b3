"""Encoded images in a graph: of any size up to a limit, where one that is damaged does not take down the others.

Shapes: B files in a batch.
"""

import tensorflow as tf

from keras_resnets.preprocessing import decode
from keras_resnets.serving.formats import MAX_PIXELS

OK = "OK"
INVALID = "INVALID_ARGUMENT: "
DAMAGED = f"{INVALID}it cannot be decoded as JPEG, PNG, BMP or GIF"
HEADER = 26  # bytes, which tell the size of all but a JPEG
IN_JPEG, UNKNOWN = 0, -1  # a width that the header does not tell


def decode_batch(image_bytes, transform, specs, max_pixels=MAX_PIXELS):
    """Decodes a batch of files of different sizes, and makes them of one size.

    Args:
        image_bytes: (B,) strings: JPEG, PNG, BMP or GIF files.
        transform: function from an image (H, W, 3) uint8 to a tuple of tensors of static shape.
        specs: their `tf.TensorSpec`s.
        max_pixels: an image that has more is not decoded.

    Returns:
        A tuple (B, ...) of what `transform` returns, zeros where there is no image; and (B,) strings: "OK", or
        "INVALID_ARGUMENT: " and what is wrong.
    """
    images, sizes = _decoded(image_bytes, max_pixels)
    pixels = tf.reduce_prod(sizes, axis=1)
    is_image = (sizes[:, 0] >= 0) & (pixels <= max_pixels)

    def transformed(element):
        index, is_image = element
        return tf.cond(
            is_image,
            lambda: tuple(transform(_item(images, index))),
            lambda: tuple(tf.zeros(spec.shape, spec.dtype) for spec in specs),
        )

    indices = tf.range(tf.shape(image_bytes)[0])
    results = tf.map_fn(transformed, (indices, is_image), fn_output_signature=tuple(specs))
    status = tf.where(is_image, OK, tf.where(sizes[:, 0] < 0, DAMAGED, _too_large(sizes, max_pixels)))
    return results, status


def _decoded(image_bytes, max_pixels):
    """Returns a TensorList of the images, and (B, 2) int64, their widths and heights; -1 where a file is damaged."""
    count = tf.shape(image_bytes)[0]
    sizes = _sizes(image_bytes)
    # What is no known kind is replaced by what cannot be decoded: TensorFlow reads more kinds, whose size is not known.
    files = tf.where(tf.equal(sizes[:, 0], UNKNOWN), "", image_bytes)

    def load(index, encoded, size):
        size = tf.cond(tf.equal(size[0], IN_JPEG), lambda: _size_of_jpeg(encoded), lambda: size)
        too_large = tf.reduce_prod(size) > max_pixels
        image = tf.cond(too_large, lambda: tf.zeros([0, 0, 3], tf.uint8), lambda: decode(encoded))
        return index, size, image

    def collect(state, new):
        images, sizes = state
        index, size, image = new
        images = tf.raw_ops.TensorListSetItem(input_handle=images, index=index, item=image)
        return images, tf.tensor_scatter_nd_update(sizes, [[index]], [size])

    # A data set, because nothing else in a graph outlives an operation that fails. It is prepared anew for each batch,
    # which takes as long as it has operations.
    files = tf.data.Dataset.from_tensor_slices((tf.range(count), files, sizes))
    images = files.map(load, num_parallel_calls=2).ignore_errors().with_options(_plain_options())
    empty = tf.raw_ops.TensorListReserve(element_shape=-1, num_elements=count, element_dtype=tf.uint8)
    return images.reduce((empty, tf.fill([count, 2], tf.constant(UNKNOWN, tf.int64))), lambda *entry: collect(*entry))


def _plain_options():
    """Returns options of a data set that is used once: nothing of it is worth being optimized."""
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    options.experimental_optimization.inject_prefetch = False
    return options


def _item(images, index):
    """Returns an image (H, W, 3) of a TensorList."""
    shape = tf.constant([-1, -1, 3])
    image = tf.raw_ops.TensorListGetItem(input_handle=images, index=index, element_shape=shape, element_dtype=tf.uint8)
    return tf.ensure_shape(image, [None, None, 3])


def _sizes(image_bytes):
    """Returns (B, 2) int64, the widths and heights that headers tell; IN_JPEG, or UNKNOWN for other kinds."""
    header = tf.cast(tf.io.decode_raw(image_bytes, tf.uint8, fixed_length=HEADER), tf.int64)

    def begins_with(magic):
        return tf.reduce_all(tf.equal(header[:, : len(magic)], list(magic)), axis=1, keepdims=True)

    def numbers(start, length, weights):
        """Two integers that follow each other, of so many bytes, of these weights: (B, 2)."""
        digits = tf.reshape(header[:, start : start + 2 * length], [-1, 2, length])
        return tf.reduce_sum(digits * tf.constant(weights, tf.int64), axis=2)

    lowest_first = [256**i for i in range(4)]
    bitmap = numbers(18, 4, lowest_first)
    bitmap = tf.minimum(bitmap, 2**32 - bitmap)  # The height is negative for rows from top to bottom.
    sizes = tf.fill(tf.shape(bitmap), tf.constant(UNKNOWN, tf.int64))
    for magic, size in [
        (b"\xff\xd8\xff", tf.zeros_like(sizes) + IN_JPEG),
        (b"\x89PNG", numbers(16, 4, lowest_first[::-1])),
        (b"GIF8", numbers(6, 2, lowest_first[:2])),
        (b"BM", bitmap),
    ]:
        sizes = tf.where(begins_with(magic), size, sizes)
    return sizes


def _size_of_jpeg(encoded):
    return tf.reverse(tf.image.extract_jpeg_shape(encoded, tf.int64)[:2], [0])


def _too_large(sizes, max_pixels):
    texts = tf.strings.as_string(sizes)
    reason = f" pixels are more than the limit of {max_pixels}: send a smaller image"
    return tf.strings.join([INVALID, texts[:, 0], "x", texts[:, 1], reason])
