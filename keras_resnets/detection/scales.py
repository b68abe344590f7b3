"""Features of an image at several scales: which of them a region is pooled from."""

import tensorflow as tf

from keras_resnets.ops.boxes import areas


def choose_scales(regions, scales, count, canonical_size):
    """Gives each region adjacent scales, at which its area is nearest to that of a square.

    One scale is what SPPnet (arXiv 1406.4729, section 4.1) chooses. Of two and more, the sum of the differences of
    areas is the smallest: NoC (arXiv 1504.06066) and ResNet (arXiv 1512.03385, appendix B) only say "two adjacent".

    Args:
        regions: (B, R, 4), in pixels of the image at scale 1.
        scales: rising factors of the image's size.
        count: how many each region is given, at most as many as there are.
        canonical_size: side of the square, in pixels.

    Returns:
        (B, R, count) int32, rising indices of `scales`.
    """
    squares = tf.square(tf.constant(scales, tf.float32))
    differences = tf.abs(areas(regions)[..., tf.newaxis] * squares - canonical_size**2)
    runs = [tf.reduce_sum(differences[..., first : first + count], -1) for first in range(len(scales) - count + 1)]
    first = tf.argmin(tf.stack(runs, axis=-1), axis=-1, output_type=tf.int32)
    return first[..., tf.newaxis] + tf.range(count)
