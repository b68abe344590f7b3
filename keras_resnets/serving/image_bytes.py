"""Encoded images in a graph: of any size up to a limit, where one that is damaged does not take down the others."""

import tensorflow as tf

from keras_resnets.preprocessing import decode

MAX_PIXELS = 25_000_000  # of an image: 75 MB decoded, and 300 MB as the float32 that it is resized from
OK = "OK"
INVALID = "INVALID_ARGUMENT: "
DAMAGED = f"{INVALID}it cannot be decoded as JPEG, PNG, BMP or GIF"
HEADER = 26  # bytes, which tell the size of all but a JPEG


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
    nothing = tuple(tf.zeros(spec.shape, spec.dtype) for spec in specs)

    def load(encoded):
        width, height = _size(encoded)
        return tf.cond(
            width * height > max_pixels,
            lambda: (nothing, _too_large(width, height, max_pixels)),
            lambda: (transform(decode(encoded)), tf.constant(OK)),
        )

    def load_or_say_why(encoded):
        # A data set of one image: nothing else in a graph outlives an operation that fails.
        images = tf.data.Dataset.from_tensors(encoded).map(load).ignore_errors()
        return images.reduce((nothing, tf.constant(DAMAGED)), lambda _, *image: image)

    return tf.map_fn(
        load_or_say_why, image_bytes, fn_output_signature=(tuple(specs), tf.TensorSpec([], tf.string, name="status"))
    )


def _size(encoded):
    """Returns the width and height, int64 scalars, that a file's header tells; fails for other kinds of files."""
    header = tf.cast(tf.io.decode_raw(encoded, tf.uint8, fixed_length=HEADER), tf.int64)

    def begins_with(magic):
        return tf.reduce_all(tf.equal(header[: len(magic)], list(magic)))

    def number(start, length, reverse=False):
        """An integer of several bytes, the lowest first or last."""
        digits = header[start : start + length]
        weights = [256**i for i in range(length)]
        return tf.reduce_sum(digits * tf.constant(weights[::-1] if reverse else weights, tf.int64))

    def of_jpeg():
        height, width, _ = tf.unstack(tf.image.extract_jpeg_shape(encoded, tf.int64))
        return width, height

    def of_bmp():
        height = number(22, 4)
        return number(18, 4), tf.minimum(height, 2**32 - height)  # It is negative for rows from top to bottom.

    def of_none():
        with tf.control_dependencies([tf.Assert(False, ["no known kind of image"])]):
            return tf.constant(0, tf.int64), tf.constant(0, tf.int64)

    return tf.case(
        [
            (begins_with(b"\xff\xd8\xff"), of_jpeg),
            (begins_with(b"\x89PNG"), lambda: (number(16, 4, reverse=True), number(20, 4, reverse=True))),
            (begins_with(b"GIF8"), lambda: (number(6, 2), number(8, 2))),
            (begins_with(b"BM"), of_bmp),
        ],
        default=of_none,
    )


def _too_large(width, height, max_pixels):
    sides = [tf.strings.as_string(width), "x", tf.strings.as_string(height)]
    return tf.strings.join([INVALID, *sides, f" pixels are more than the limit of {max_pixels}: send a smaller image"])
