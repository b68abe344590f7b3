"""Decoding of image files in a graph, with a limit of their size; a damaged file does not affect the others.

Shapes: B files in a batch.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

from keras_resnets.preprocessing import decode
from keras_resnets.serving.formats import MAX_PIXELS

OK = "OK"
INVALID = "INVALID_ARGUMENT: "
DAMAGED = f"{INVALID}it cannot be decoded as JPEG, PNG, BMP or GIF"
HEADER = 26  # bytes, which contain the image size except in a JPEG
IN_JPEG, UNKNOWN = 0, -1  # a width that the header does not contain


def decode_batch(
    image_bytes: tf.Tensor,
    transform: Callable[[tf.Tensor], tuple[tf.Tensor, ...]],
    specs: Sequence[tf.TensorSpec],
    max_pixels: int = MAX_PIXELS,
) -> tuple[tuple[tf.Tensor, ...], tf.Tensor]:
    """Decodes a batch of files of different sizes, and transforms them to the same size.

    Args:
        image_bytes: (B,) strings: JPEG, PNG, BMP or GIF files.
        transform: function from an image (H, W, 3) uint8 to a tuple of tensors of static shape.
        specs: the specs of these tensors.
        max_pixels: images with more pixels are not decoded.

    Returns:
        The tuple of `transform`'s results, each (B, ...), with zeros for files that are no image; and the status (B,)
        strings: "OK", or "INVALID_ARGUMENT: " and the reason.
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
    # TensorFlow decodes more formats, whose size is not known: they are replaced by bytes that it cannot decode.
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

    # Only a data set survives an operation that fails in a graph. It is built for each batch, and the time for that
    # grows with its operations.
    files = tf.data.Dataset.from_tensor_slices((tf.range(count), files, sizes))
    images = files.map(load, num_parallel_calls=2).ignore_errors().with_options(_plain_options())
    empty = tf.raw_ops.TensorListReserve(element_shape=-1, num_elements=count, element_dtype=tf.uint8)
    return images.reduce((empty, tf.fill([count, 2], tf.constant(UNKNOWN, tf.int64))), lambda *entry: collect(*entry))


def _plain_options():
    """Returns options of a data set without optimizations, which do not pay off for a single use."""
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    options.experimental_optimization.inject_prefetch = False
    return options


def _item(images, index):
    """Returns an image (H, W, 3) uint8 of a TensorList."""
    shape = tf.constant([-1, -1, 3])
    image = tf.raw_ops.TensorListGetItem(input_handle=images, index=index, element_shape=shape, element_dtype=tf.uint8)
    return tf.ensure_shape(image, [None, None, 3])


def _sizes(image_bytes):
    """Returns the widths and heights (B, 2) int64 in the headers; IN_JPEG for JPEGs, UNKNOWN for other formats."""
    header = tf.cast(tf.io.decode_raw(image_bytes, tf.uint8, fixed_length=HEADER), tf.int64)

    def begins_with(magic):
        return tf.reduce_all(tf.equal(header[:, : len(magic)], list(magic)), axis=1, keepdims=True)

    def numbers(start, length, weights):
        """Returns two consecutive integers (B, 2) of `length` bytes each, whose weights are given."""
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
