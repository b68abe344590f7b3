"""Where the pixels of an example come from: an array, or a file that is decoded only as far as needed."""

import tensorflow as tf

from keras_resnets.preprocessing import decode


class Pixels:
    """An image that is in memory.

    Args:
        pixels: (H, W, 3) uint8.
    """

    def __init__(self, pixels):
        self._pixels = pixels

    def shape(self):
        """Returns height and width, (2,) int32."""
        return tf.shape(self._pixels)[:2]

    def pixels(self):
        """Returns the image, (H, W, 3) uint8."""
        return self._pixels

    def window(self, top, left, height, width):
        """Returns a part of the image, (height, width, 3) uint8; all arguments are int32 scalars, in pixels."""
        return self._pixels[top : top + height, left : left + width]


class Encoded:
    """A JPEG, PNG, BMP or GIF file, with the methods of `Pixels`; of a JPEG, only what a window needs is decoded.

    Args:
        content: scalar string tensor, the file's bytes.
        height: in pixels, or None when it is not known.
        width: likewise.
    """

    def __init__(self, content, height=None, width=None):
        self._content, self._static_shape = content, [height, width, 3]

    def shape(self):
        """See `Pixels`."""
        return tf.cond(
            tf.io.is_jpeg(self._content),
            lambda: tf.io.extract_jpeg_shape(self._content)[:2],
            lambda: tf.shape(decode(self._content))[:2],
        )

    def pixels(self):
        """See `Pixels`."""
        return tf.ensure_shape(decode(self._content), self._static_shape)

    def window(self, top, left, height, width):
        """See `Pixels`."""
        window = tf.stack([top, left, height, width])
        return tf.cond(
            tf.io.is_jpeg(self._content),
            lambda: tf.image.decode_and_crop_jpeg(self._content, window, channels=3),
            lambda: decode(self._content)[top : top + height, left : left + width],
        )
