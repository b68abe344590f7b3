"""Decoding of batches of image files in a graph, with a limit of their size; a damaged file does not affect the others.

Shapes: B files in a batch.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

from keras_resnets.images import bmp, gif, jpeg
from keras_resnets.images.formats import BMP, GIF, JPEG
from keras_resnets.images.inspection import DAMAGED, inspect
from keras_resnets.images.orientation import upright
from keras_resnets.serving.formats import MAX_PIXELS

OK = "OK"
INVALID = "INVALID_ARGUMENT: "


def decode_batch(
    image_bytes: tf.Tensor,
    transform: Callable[[tf.Tensor], tuple[tf.Tensor, ...]],
    specs: Sequence[tf.TensorSpec],
    max_pixels: int = MAX_PIXELS,
    exact: bool = False,
) -> tuple[tuple[tf.Tensor, ...], tf.Tensor]:
    """Decodes a batch of files of different sizes, and transforms them to the same size.

    Args:
        image_bytes: (B,) strings: JPEG, PNG, BMP, GIF or WebP files.
        transform: function from an upright image (H, W, 3) uint8 to a tuple of tensors of static shape.
        specs: the specs of these tensors.
        max_pixels: images with more pixels are not decoded.
        exact: see `keras_resnets.images.decoding.decode`.

    Returns:
        The tuple of `transform`'s results, each (B, ...), with zeros for files that are no image; and the status (B,)
        strings: "OK", or "INVALID_ARGUMENT: " and the reason.
    """
    inspected = inspect(image_bytes)
    is_bitmap = tf.equal(inspected.format, BMP)
    images, sizes = _decoded(image_bytes, inspected, is_bitmap, max_pixels, exact)
    sizes = tf.where(is_bitmap[:, tf.newaxis], inspected.size, sizes)
    is_damaged, is_too_large = sizes[:, 0] < 0, tf.reduce_prod(sizes, axis=1) > max_pixels
    status = tf.where(is_damaged, INVALID + DAMAGED, tf.where(is_too_large, _too_large(sizes, max_pixels), OK))
    status = tf.where(tf.equal(inspected.why_not, ""), status, INVALID + inspected.why_not)

    def transformed(element):
        index, is_image, is_bitmap, orientation = element

        def load():
            image = tf.cond(is_bitmap, lambda: bmp.decode(image_bytes[index]), lambda: _item(images, index))
            return tuple(transform(upright(image, orientation)))

        return tf.cond(is_image, load, lambda: tuple(tf.zeros(spec.shape, spec.dtype) for spec in specs))

    elements = tf.range(tf.shape(image_bytes)[0]), tf.equal(status, OK), is_bitmap, inspected.orientation
    return tf.map_fn(transformed, elements, fn_output_signature=tuple(specs)), status


def _decoded(image_bytes, inspected, is_bitmap, max_pixels, exact):
    """Returns a TensorList of the images, without bitmaps, and (B, 2) int64, their widths and heights, or -1."""
    count, is_gif = tf.shape(image_bytes)[0], tf.equal(inspected.format, GIF)
    files = tf.cond(
        tf.reduce_any(is_gif), lambda: tf.where(is_gif, gif.opaque(image_bytes), image_bytes), lambda: image_bytes
    )
    # Files that would be misread are replaced by bytes that cannot be decoded.
    files = tf.where(tf.equal(inspected.why_not, "") & ~is_bitmap, files, "")

    def load(index, encoded, is_jpeg, size):
        size = tf.cond(is_jpeg, lambda: _size_of_jpeg(encoded), lambda: size)
        too_large = tf.reduce_prod(size) > max_pixels
        image = tf.cond(too_large, lambda: tf.zeros([0, 0, 3], tf.uint8), lambda: _coded(encoded, is_jpeg, exact))
        return index, size, image

    def collect(state, new):
        images, sizes = state
        index, size, image = new
        images = tf.raw_ops.TensorListSetItem(input_handle=images, index=index, item=image)
        return images, tf.tensor_scatter_nd_update(sizes, [[index]], [size])

    # Only a data set survives an operation that fails in a graph. It is built for each batch, and the time for that
    # grows with its operations: whatever cannot fail is done before or after it.
    files = (tf.range(count), files, tf.equal(inspected.format, JPEG), inspected.size)
    images = tf.data.Dataset.from_tensor_slices(files).map(load, num_parallel_calls=2).ignore_errors()
    images = images.with_options(_plain_options())
    empty = tf.raw_ops.TensorListReserve(element_shape=-1, num_elements=count, element_dtype=tf.uint8)
    return images.reduce((empty, tf.fill([count, 2], tf.constant(-1, tf.int64))), lambda *entry: collect(*entry))


def _coded(encoded, is_jpeg, exact):
    """Returns the image of a file that is no bitmap, (H, W, channels) uint8, as stored."""

    def image():
        return tf.io.decode_image(encoded, channels=0, expand_animations=False)

    return tf.cond(is_jpeg, lambda: jpeg.decode(encoded, exact), image) if exact else image()


def _plain_options():
    """Returns options of a data set without optimizations, which do not pay off for a single use."""
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    options.experimental_optimization.inject_prefetch = False
    return options


def _item(images, index):
    """Returns an image of a TensorList, (H, W, 3) uint8: gray is repeated, and transparency dropped."""
    shape = tf.constant([-1, -1, -1])
    image = tf.raw_ops.TensorListGetItem(input_handle=images, index=index, element_shape=shape, element_dtype=tf.uint8)
    image = tf.ensure_shape(image, [None, None, None])
    image = tf.cond(tf.shape(image)[2] < 3, lambda: tf.tile(image[..., :1], [1, 1, 3]), lambda: image[..., :3])
    return tf.ensure_shape(image, [None, None, 3])


def _size_of_jpeg(encoded):
    return tf.cast(jpeg.shape(encoded)[::-1], tf.int64)


def _too_large(sizes, max_pixels):
    texts = tf.strings.as_string(sizes)
    reason = (
        f" pixels are more than the limit of {max_pixels}: send a smaller image, or export with a higher --max_pixels"
    )
    return tf.strings.join([INVALID, texts[:, 0], "x", texts[:, 1], reason])
