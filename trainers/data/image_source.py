"""Images of examples: pixels in memory, or an encoded file that is decoded only as far as needed."""

import os
import pathlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from keras_resnets.images import jpeg
from keras_resnets.images.decoding import decode_stored
from keras_resnets.images.formats import JPEG
from keras_resnets.images.orientation import SIDEWAYS, UPRIGHT, stored_window, upright, upright_shape


class InspectedFile(NamedTuple):
    """An image file, as it was found.

    Attributes:
        path: of the file.
        height: of the upright image, as people see it, in pixels; 0 for a file that cannot be used.
        width: likewise.
        format: index in `keras_resnets.images.formats.FORMATS`.
        orientation: EXIF's, 1 to 8: see `keras_resnets.images.orientation`.
        reason: why the file cannot be used, one of about twenty texts, such as "it is TIFF, not JPEG, PNG, BMP, GIF or
            WebP"; "" for a file that can be used.
    """

    path: str | pathlib.Path
    height: int = 0
    width: int = 0
    format: int = -1
    orientation: int = UPRIGHT
    reason: str = ""

    @property
    def is_sideways(self) -> bool:
        """Whether the stored image has the width and the height of the upright one exchanged."""
        return self.orientation >= SIDEWAYS


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

    def pixels(self, exact: bool = False) -> tf.Tensor:
        """Returns the image, (H, W, 3) uint8."""
        return self._pixels

    def window(self, top: tf.Tensor, left: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        """Returns a window of the image, (height, width, 3) uint8; all arguments are int32 scalars, in pixels."""
        return self._pixels[top : top + height, left : left + width]


class Encoded:
    """An encoded file that `keras_resnets.images.inspection` finds to be decodable. Of a JPEG, a window is decoded
    without the rest.

    Args:
        content: scalar string tensor, the bytes of the file.
        format: scalar int32, the index of its format in `keras_resnets.images.formats.FORMATS`.
        formats: the indices that it may be.
        orientation: EXIF's, see `keras_resnets.images.orientation`; 1 for the image as it is stored.
        height: of the upright image in pixels; None if unknown.
        width: likewise.
        shape: height and width of the upright image, (2,) int32, where a list of files has them; None if unknown.
    """

    def __init__(
        self,
        content: tf.Tensor,
        format: tf.Tensor,
        formats: Sequence[int],
        orientation: tf.Tensor | int = UPRIGHT,
        height: int | None = None,
        width: int | None = None,
        shape: tf.Tensor | None = None,
    ):
        self._content, self._format, self._formats, self._orientation = content, format, formats, orientation
        self._static_shape, self._shape = [height, width, 3], shape

    def shape(self) -> tf.Tensor:
        """Returns height and width, (2,) int32."""
        if self._shape is not None:
            return self._shape
        stored = self._of_jpeg_or_other(lambda: jpeg.shape(self._content), lambda: tf.shape(self._stored())[:2])
        return upright_shape(stored, self._orientation)

    def pixels(self, exact: bool = False) -> tf.Tensor:
        """Returns the image, (H, W, 3) uint8, decoded exactly or not: see `keras_resnets.images.decoding.decode`."""
        return tf.ensure_shape(upright(self._stored(exact), self._orientation), self._static_shape)

    def window(self, top: tf.Tensor, left: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        """Returns a window of the image, (height, width, 3) uint8; all arguments are int32 scalars, in pixels."""

        def of_jpeg():
            window = stored_window(tf.stack([top, left, height, width]), self._orientation, self.shape)
            return upright(jpeg.decode_window(self._content, window), self._orientation)

        return self._of_jpeg_or_other(of_jpeg, lambda: self.pixels()[top : top + height, left : left + width])

    def _of_jpeg_or_other(self, of_jpeg, of_other):
        if JPEG in self._formats and len(self._formats) > 1:
            return tf.cond(tf.equal(self._format, JPEG), of_jpeg, of_other)
        return of_jpeg() if JPEG in self._formats else of_other()

    def _stored(self, exact=False):
        return decode_stored(self._content, self._format, self._formats, exact)


ImageSource = Pixels | Encoded


def encoded_files(files: Sequence[InspectedFile]) -> Callable[[tf.Tensor], Encoded]:
    """Returns a function from the index of a file that can be used, an int64 scalar, to its image."""
    paths, formats = tf.constant([os.fsencode(file.path) for file in files]), [file.format for file in files]
    orientations, format_of = [file.orientation for file in files], tf.constant(formats)
    kinds = sorted(set(formats))
    shapes = tf.constant([(file.height, file.width) for file in files])
    turned = None if set(orientations) == {UPRIGHT} else tf.constant(orientations)

    def image(index):
        # Where all images are stored upright, as mostly, nothing is chosen for each.
        orientation = UPRIGHT if turned is None else tf.gather(turned, index)
        content = tf.io.read_file(tf.gather(paths, index))
        return Encoded(content, tf.gather(format_of, index), kinds, orientation, shape=tf.gather(shapes, index))

    return image
