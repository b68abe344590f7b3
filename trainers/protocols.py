"""The papers' protocols of evaluation: which views of a test image a net is shown.

A net's answer is the mean of its probabilities for all views. Sides are in proportion to what the net sees: where the
papers write 224 and 256 pixels, it is `size` and 256/224 of it, rounded. Offsets of centres are rounded up, as in
fb.resnet.torch, but for `single_crop`, which is what training measures.

Shapes: V views of an image, S side of the square that the net sees; images are RGB, 0..255, channels last.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from keras_resnets.preprocessing import resized_shape, resized_window

PAPERS_SIZE, PAPERS_SHORT_SIDE = 224, 256


@dataclasses.dataclass(frozen=True)
class Protocol:
    """One row of `PROTOCOLS`.

    Attributes:
        views: function from an image (H, W, 3), of any number type, and a `Preprocessing` to (V, h, w, 3) float32.
        count: V.
        short_sides: of the resized images, for a net that sees 224 pixels: all views are shown at each; () for the
            preprocessing's own.
        dense: whether the net classifies every position of a view, and its logits are averaged over the positions (VGG,
            arXiv 1409.1556, section 3.2). Views then have h and w that differ from image to image, and are (S, S)
            otherwise.
        with_room: whether the resized image is larger than what the net sees.
    """

    views: Callable
    count: int
    short_sides: tuple[int, ...] = ()
    dense: bool = False
    with_room: bool = False

    def scales(self, preprocessing):
        """Returns the preprocessings, one for each scale, that `views` is called with."""
        sides = [_in_proportion(preprocessing, side) for side in self.short_sides] or [preprocessing.short_side]
        return [dataclasses.replace(preprocessing, short_side=side) for side in sides]

    @property
    def views_of_an_image(self):
        """Number of the views at all scales."""
        return self.count * max(1, len(self.short_sides))


def single_crop(image, preprocessing):
    """The centre, as in training's evaluations: (1, S, S, 3)."""
    return preprocessing.crop(image)[tf.newaxis]


def ten_crop(image, preprocessing):
    """The four corners and the centre of the image, and their mirror images (AlexNet, section 4.1): (10, S, S, 3).

    AlexNet's corners are those of the central square; here they are the whole image's, as in fb.resnet.torch and
    SPPnet (arXiv 1406.4729). A preprocessing whose short side leaves no room around S is given one of 256/224 of it.
    """
    shape = resized_shape(tf.shape(image)[:2], _with_room(preprocessing))
    bottom, right = tf.unstack(shape - preprocessing.size)
    size = [preprocessing.size, preprocessing.size]
    crops = [resized_window(image[tf.newaxis], shape, offset, size) for offset in _corners_and_centre(bottom, right)]
    return _with_mirrors(tf.concat(crops, axis=0))


def twelve_crop(image, preprocessing):
    """The six views of the central square, see `three_squares`, and their mirror images: (12, S, S, 3).

    Inception-v4 (arXiv 1602.07261) has 12 crops without saying which: this is what it seems to mean. The short side is
    that of `ten_crop`.
    """
    _, centre, _ = _squares(image, _with_room(preprocessing))
    return _with_mirrors(_six_views(centre, preprocessing.size))


def three_squares(image, preprocessing):
    """Views of three squares (left, centre and right; of a portrait, top, centre and bottom): (36, S, S, 3).

    Of each square six: its corners, its centre, and all of it resized to S; then the mirror images of all 18. That is
    GoogLeNet's protocol (arXiv 1409.4842, section 7) at one of its four scales.
    """
    squares = _squares(image, preprocessing.short_side)
    return _with_mirrors(tf.concat([_six_views(square, preprocessing.size) for square in squares], axis=0))


def whole_image(image, preprocessing):
    """All of the image and its mirror image, (2, h, w, 3): the short side is the preprocessing's."""
    shape = resized_shape(tf.shape(image)[:2], preprocessing.short_side)
    return _with_mirrors(resized_window(image[tf.newaxis], shape, [0, 0], tf.cast(shape, tf.int32)))


def _with_mirrors(views):
    return tf.concat([views, views[:, :, ::-1]], axis=0)


def _corners_and_centre(bottom, right):
    """Returns the offsets (top, left) of five crops, of which the last corner's is given."""
    return [(0, 0), (0, right), (bottom, 0), (bottom, right), (-(-bottom // 2), -(-right // 2))]


def _squares(image, side):
    """Returns the first, the central and the last square (side, side, 3) along the long side."""
    shape = resized_shape(tf.shape(image)[:2], side)
    room = shape - side
    offsets = [(0, 0), -(-room // 2), room]
    return [resized_window(image[tf.newaxis], shape, offset, [side, side])[0] for offset in offsets]


def _six_views(square, size):
    room = square.shape[0] - size
    crops = [square[top : top + size, left : left + size] for top, left in _corners_and_centre(room, room)]
    whole = resized_window(square[tf.newaxis], [size, size], [0, 0], [size, size])
    return tf.concat([crops, whole], axis=0)


def _in_proportion(preprocessing, side):
    return round(preprocessing.size * side / PAPERS_SIZE)


def _with_room(preprocessing):
    if preprocessing.short_side > preprocessing.size:
        return preprocessing.short_side
    return _in_proportion(preprocessing, PAPERS_SHORT_SIDE)


PROTOCOLS = {
    "single_crop": Protocol(single_crop, 1),
    "ten_crop": Protocol(ten_crop, 10, with_room=True),
    "twelve_crop": Protocol(twelve_crop, 12, with_room=True),
    # GoogLeNet, section 7.
    "144_crop": Protocol(three_squares, 36, short_sides=(256, 288, 320, 352)),
    "dense": Protocol(whole_image, 2, dense=True),
    # ResNet (arXiv 1512.03385), section 3.4. What is averaged over the scales, the paper calls scores: probabilities.
    "multi_scale": Protocol(whole_image, 2, short_sides=(224, 256, 384, 480, 640), dense=True),
}
