"""Images of examples: pixels in memory, or an encoded file that is decoded only as far as needed."""

import tensorflow as tf

from keras_resnets.preprocessing import decode


class Pixels:
    """An image in memory.

    Args:
        pixels: (H, W, 3) uint8.
    """

    def __init__(self, pixels: tf.Tensor):
        self._pixels = pixels

    def shape(self) -> tf.Tensor:
        """Returns height and width, (2,) int32."""
        return tf.shape(self._pixels)[:2]

    def pixels(self) -> tf.Tensor:
        """Returns the image, (H, W, 3) uint8."""
        return self._pixels

    def window(self, top: tf.Tensor, left: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        """Returns a window of the image, (height, width, 3) uint8; all arguments are int32 scalars, in pixels."""
        return self._pixels[top : top + height, left : left + width]


class Encoded:
    """An encoded JPEG, PNG, BMP or GIF file. Of a JPEG, a window is decoded without the rest.

    Args:
        content: scalar string tensor, the bytes of the file.
        height: in pixels; None if unknown.
        width: in pixels; None if unknown.
    """

    def __init__(self, content: tf.Tensor, height: int | None = None, width: int | None = None):
        self._content, self._static_shape = content, [height, width, 3]

    def shape(self) -> tf.Tensor:
        """Returns height and width, (2,) int32."""
        return tf.cond(
            tf.io.is_jpeg(self._content),
            lambda: tf.io.extract_jpeg_shape(self._content)[:2],
            lambda: tf.shape(decode(self._content))[:2],
        )

    def pixels(self) -> tf.Tensor:
        """Returns the image, (H, W, 3) uint8."""
        return tf.ensure_shape(decode(self._content), self._static_shape)

    def window(self, top: tf.Tensor, left: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        """Returns a window of the image, (height, width, 3) uint8; all arguments are int32 scalars, in pixels."""
        window = tf.stack([top, left, height, width])
        return tf.cond(
            tf.io.is_jpeg(self._content),
            lambda: tf.image.decode_and_crop_jpeg(self._content, window, channels=3),
            lambda: decode(self._content)[top : top + height, left : left + width],
        )


ImageSource = Pixels | Encoded
