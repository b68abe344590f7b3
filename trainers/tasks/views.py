"""Views of a test image, for the rows of `trainers.tasks.protocols.PROTOCOLS`.

A function takes an image (H, W, 3), RGB, 0..255, of any number type; S, the side of the net's square input, `size`; and
the short side of the resized image, both in pixels. The latter may be a tensor, so that one graph serves all scales. It
returns V views (V, h, w, 3) float32.

Offsets of centres are rounded up, as in fb.resnet.torch, except for `single_crop`, which is what training measures.
"""

import tensorflow as tf

from keras_resnets.preprocessing import resize_and_crop, resized_shape, resized_window


def single_crop(image, size, short_side):
    """The centre, as in evaluations during training: (1, S, S, 3)."""
    return resize_and_crop(image[tf.newaxis], size, short_side)


def ten_crop(image, size, short_side):
    """The four corners and the centre of the image, and their mirror images (AlexNet, section 4.1): (10, S, S, 3).

    AlexNet has the corners of the central square, and this function those of the whole image, as fb.resnet.torch and
    SPPnet (arXiv 1406.4729) do.
    """
    shape = resized_shape(tf.shape(image)[:2], short_side)
    offsets = _corners_and_centre(*tf.unstack(shape - size))
    crops = [resized_window(image[tf.newaxis], shape, offset, [size, size]) for offset in offsets]
    return _with_mirrors(tf.concat(crops, axis=0))


def twelve_crop(image, size, short_side):
    """The six views of the central square, see `three_squares`, and their mirror images: (12, S, S, 3).

    Inception-v4 (arXiv 1602.07261) has 12 crops and does not say which. These seem likely.
    """
    _, centre, _ = _squares(image, short_side)
    return _with_mirrors(_six_views(centre, size, short_side - size))


def three_squares(image, size, short_side):
    """Views of three squares (left, centre and right; of a portrait, top, centre and bottom): (36, S, S, 3).

    Each square has six views: its corners, its centre, and all of it resized to S. The mirror images of all 18 follow.
    This is GoogLeNet's protocol (arXiv 1409.4842, section 7) at one of its four scales.
    """
    views = [_six_views(square, size, short_side - size) for square in _squares(image, short_side)]
    return _with_mirrors(tf.concat(views, axis=0))


def whole_image(image, _, short_side):
    """All of the image and its mirror image: (2, h, w, 3)."""
    shape = resized_shape(tf.shape(image)[:2], short_side)
    return _with_mirrors(resized_window(image[tf.newaxis], shape, [0, 0], tf.cast(shape, tf.int32)))


def _with_mirrors(views):
    return tf.concat([views, views[:, :, ::-1]], axis=0)


def _corners_and_centre(bottom, right):
    """Returns the offsets (top, left) of five crops; (bottom, right) is the offset of the last corner."""
    return [(0, 0), (0, right), (bottom, 0), (bottom, right), (-(-bottom // 2), -(-right // 2))]


def _squares(image, side):
    """Returns the first, the central and the last square (side, side, 3) along the long side."""
    shape = resized_shape(tf.shape(image)[:2], side)
    room = shape - tf.cast(side, tf.float32)
    offsets = [(0, 0), -(-room // 2), room]
    return [resized_window(image[tf.newaxis], shape, offset, [side, side])[0] for offset in offsets]


def _six_views(square, size, room):
    """Returns the corners, the centre and all of a square that is `room` larger than a view: (6, S, S, 3)."""
    crops = [square[top : top + size, left : left + size] for top, left in _corners_and_centre(room, room)]
    whole = resized_window(square[tf.newaxis], [size, size], [0, 0], [size, size])
    return tf.concat([crops, whole], axis=0)
